// Draws a board from its JSON and the answers to its queries, with Grafana's own panel components.
// What Grafana keeps to itself is drawn here: the heatmap, the table, and the dots of exemplars.
import {
  ThresholdsMode,
  createTheme,
  dateTime,
  getDisplayProcessor,
  getValueFormat,
  formattedValueToString,
  toDataFrame,
  FieldType,
} from '@grafana/data';
import { BigValue, BigValueColorMode, BigValueGraphMode, GlobalStyles, PanelChrome, ThemeContext, TimeSeries } from '@grafana/ui';
import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';
import React, { useEffect, useRef } from 'react';
import { createRoot } from 'react-dom/client';

const { board, answers, from, to, asked } = window.RENDER;
const WIDTH = 1600;
const MARGIN = 8;
const ROW = 30;
const COLUMN = (WIDTH - MARGIN) / 24;
const theme = createTheme({ colors: { mode: 'dark' } });
const timeRange = { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };

const format = (unit, value, decimals) => formattedValueToString(getValueFormat(unit)(value, decimals));

function legendOf(target, labels) {
  if (target.legendFormat === '__auto') {
    return Object.values(labels).join(' ') || target.title;
  }
  return target.legendFormat.replace(/\{\{(\w+)\}\}/g, (_, name) => labels[name] ?? '');
}

// The series of a panel as data frames, dressed as its options say.
function framesOf(panel) {
  const defaults = panel.fieldConfig.defaults;
  const frames = [];
  for (const target of panel.targets) {
    for (const series of answers[panel.id]?.[target.refId]?.result ?? []) {
      const frame = toDataFrame({
        fields: [
          { name: 'Time', type: FieldType.time, values: series.values.map(([at]) => at * 1000) },
          {
            name: 'Value',
            type: FieldType.number,
            values: series.values.map(([, value]) => Number(value)).map((value) => (Number.isFinite(value) ? value : null)),
            config: {
              displayName: legendOf({ ...target, title: panel.title }, series.metric),
              unit: defaults.unit,
              min: defaults.min,
              thresholds: thresholdsOf(defaults),
              color: colourOf(panel, legendOf({ ...target, title: panel.title }, series.metric)),
              custom: { drawStyle: 'line', ...defaults.custom },
            },
          },
        ],
      });
      const field = frame.fields[1];
      const known = field.values.filter((value) => value !== null);
      const [min, max] = [Math.min(...known), Math.max(...known)];
      field.state = { seriesIndex: frames.length, range: { min, max, delta: max - min } };
      field.display = getDisplayProcessor({ field, theme });
      frame.fields[0].display = getDisplayProcessor({ field: frame.fields[0], theme });
      frames.push(frame);
    }
  }
  return frames;
}

// The colour of a name: its own, or what the panel picks by its name.
function colourOf(panel, name) {
  const own = panel.fieldConfig.overrides.find((one) => one.matcher.options === name);
  return own?.properties.find(({ id }) => id === 'color')?.value ?? panel.fieldConfig.defaults.color ?? { mode: 'palette-classic' };
}

function thresholdsOf(defaults) {
  const steps = defaults.thresholds?.steps ?? [{ color: 'green' }];
  return { mode: ThresholdsMode.Absolute, steps: steps.map((step) => ({ ...step, value: step.value ?? -Infinity })) };
}

function Stat({ panel, width, height }) {
  const defaults = panel.fieldConfig.defaults;
  const frame = framesOf(panel)[0];
  const field = {
    name: 'Value',
    type: FieldType.number,
    values: [],
    config: { unit: defaults.unit, thresholds: thresholdsOf(defaults), color: { mode: 'thresholds' } },
  };
  const known = (frame?.fields[1].values ?? []).filter((value) => value !== null);
  const value = known.length ? getDisplayProcessor({ field, theme })(known[known.length - 1]) : { text: defaults.noValue, numeric: NaN };
  return (
    <BigValue
      theme={theme}
      width={width}
      height={height}
      value={value}
      text={panel.options.text}
      colorMode={BigValueColorMode.Value}
      graphMode={BigValueGraphMode.None}
    />
  );
}

function Lines({ panel, width, height }) {
  const frames = framesOf(panel);
  if (!frames.length) {
    return <Nothing />;
  }
  const legend = { ...panel.options.legend, showLegend: true };
  const dots = exemplarsOf(panel);
  return (
    <TimeSeries frames={frames} width={width} height={height} timeRange={timeRange} timeZone="utc" legend={legend} structureRev={1} options={panel.options}>
      {(config) => <Dots config={config} dots={dots} stacked={panel.fieldConfig.defaults.custom?.stacking?.mode === 'normal'} />}
    </TimeSeries>
  );
}

function exemplarsOf(panel) {
  const found = panel.targets.flatMap((target) => answers[panel.id]?.[target.refId]?.exemplars ?? []);
  return found.flatMap((series) => series.exemplars.map((one) => [one.timestamp * 1000, Number(one.value)]));
}

// Diamonds, as Grafana draws them: at the value where that is on the axis, else along the bottom.
function Dots({ config, dots, stacked }) {
  const hooked = useRef(null);
  if (hooked.current !== config && dots.length) {
    hooked.current = config;
    config.addHook('draw', (u) => {
      const scale = u.series[1].scale;
      const size = 5 * devicePixelRatio;
      u.ctx.save();
      u.ctx.fillStyle = '#5794f2cc';
      for (const [at, value] of spread(dots)) {
        const top = stacked ? u.bbox.top + u.bbox.height - size : u.valToPos(value, scale, true);
        const left = u.valToPos(at, 'x', true);
        if (left < u.bbox.left || left > u.bbox.left + u.bbox.width || top < u.bbox.top) {
          continue;
        }
        u.ctx.beginPath();
        u.ctx.moveTo(left, top - size);
        u.ctx.lineTo(left + size, top);
        u.ctx.lineTo(left, top + size);
        u.ctx.lineTo(left - size, top);
        u.ctx.fill();
      }
      u.ctx.restore();
    });
  }
  return null;
}

// Grafana too shows only some of many exemplars; here at most one every step.
function spread(dots) {
  const step = (to - from) / 60;
  const kept = new Map();
  for (const dot of dots) {
    kept.set(Math.floor(dot[0] / step), dot);
  }
  return kept.values();
}

// Turbo, the scheme the boards ask for. https://research.google/blog/turbo-an-improved-rainbow-colormap-for-visualization/
function turbo(t) {
  const r = 34.61 + t * (1172.33 - t * (10793.56 - t * (33300.12 - t * (38394.49 - t * 14825.05))));
  const g = 23.31 + t * (557.33 + t * (1225.33 - t * (3574.96 - t * (1073.77 + t * 707.56))));
  const b = 27.2 + t * (3211.1 - t * (15327.97 - t * (27814 - t * (22569.18 - t * 6838.66))));
  return `rgb(${[r, g, b].map((v) => Math.max(0, Math.min(255, Math.round(v)))).join(',')})`;
}

function Heat({ panel, width, height }) {
  const ref = useRef(null);
  const result = answers[panel.id]?.A?.result ?? [];
  useEffect(() => {
    if (!ref.current) {
      return;
    }
    const bounds = [...result].sort((a, b) => bound(a) - bound(b));
    const cells = [];
    for (const [row, series] of bounds.entries()) {
      const below = new Map(row ? bounds[row - 1].values : []);
      for (const [at, value] of series.values) {
        cells.push([at * 1000, row, Math.max(0, Number(value) - Number(below.get(at) ?? 0))]);
      }
    }
    const shown = cells.filter(([, , value]) => value > 1e-9);
    const lowest = Math.min(...shown.map(([, row]) => row));
    const highest = Math.max(...shown.map(([, row]) => row));
    const most = Math.max(...shown.map(([, , value]) => value));
    const [left, right, bottom] = [52, 8, 22];
    const canvas = ref.current;
    canvas.width = width * devicePixelRatio;
    canvas.height = height * devicePixelRatio;
    const draw = canvas.getContext('2d');
    draw.scale(devicePixelRatio, devicePixelRatio);
    const rows = highest - lowest + 1;
    const tall = (height - bottom - 4) / rows;
    const wide = ((width - left - right) * asked.step * 1000) / (to - from);
    for (const [at, row, value] of shown) {
      const x = left + ((at - from) / (to - from)) * (width - left - right) - wide;
      draw.fillStyle = turbo(0.05 + 0.9 * Math.sqrt(value / most));
      draw.fillRect(Math.max(left, x), 4 + (highest - row) * tall, wide - 1, tall - 1);
    }
    draw.fillStyle = theme.colors.text.primary;
    draw.font = `12px ${theme.typography.fontFamily}`;
    draw.textBaseline = 'middle';
    draw.textAlign = 'right';
    for (let row = lowest; row <= highest; row += Math.ceil(rows / 9)) {
      const top = bound(bounds[row]);
      draw.fillText(Number.isFinite(top) ? format('s', top) : '+Inf', left - 6, 4 + (highest - row) * tall + tall / 2);
    }
    draw.textAlign = 'center';
    for (let tick = 1; tick < 5; tick++) {
      const at = from + ((to - from) * tick) / 5;
      draw.fillText(dateTime(at).utc().format('HH:mm'), left + ((width - left - right) * tick) / 5, height - 8);
    }
  });
  return result.length ? <canvas ref={ref} style={{ width, height }} /> : <Nothing />;
}

const bound = (series) => (series.metric.le === '+Inf' ? Infinity : Number(series.metric.le));

function Table({ panel, height }) {
  const targets = panel.targets;
  const organize = panel.transformations.find((step) => step.id === 'organize').options;
  const names = Object.entries(organize.renameByName).sort(([a], [b]) => organize.indexByName[a] - organize.indexByName[b]);
  const labels = names.filter(([name]) => !name.startsWith('Value')).map(([name]) => name);
  // As Grafana's "merge" does: rows of several queries are one if they agree in the labels both have.
  const rows = [];
  for (const target of targets) {
    const field = targets.length > 1 ? `Value #${target.refId}` : 'Value';
    for (const series of answers[panel.id]?.[target.refId]?.result ?? []) {
      const agrees = (row) => !(field in row) && labels.every((name) => [undefined, row[name]].includes(series.metric[name]) || !(name in row));
      const row = rows.find(agrees) ?? rows[rows.push({}) - 1];
      Object.assign(row, series.metric, { [field]: Number(series.value[1]) });
    }
  }
  const [{ displayName, desc }] = panel.options.sortBy;
  const [by] = names.find(([, title]) => title === displayName);
  const order = rows.sort((a, b) => (desc ? (b[by] ?? -1) - (a[by] ?? -1) : a[by].localeCompare(b[by])));
  const option = (title, id) =>
    panel.fieldConfig.overrides.find((one) => one.matcher.options === title)?.properties.find((one) => one.id === id)?.value;
  const colour = (title, value) => theme.visualization.getColorByName(option(title, 'mappings')?.[0].options[value]?.color ?? 'text');
  const cell = { padding: '6px 10px', borderBottom: `1px solid ${theme.colors.border.weak}`, whiteSpace: 'nowrap' };
  if (!order.length) {
    return <Nothing text={panel.fieldConfig.defaults.noValue} />;
  }
  return (
    <table style={{ width: '100%', borderCollapse: 'collapse', fontSize: 14 }}>
      <thead>
        <tr>
          {names.map(([name, title]) => (
            <th key={name} style={{ ...cell, textAlign: name.startsWith('Value') ? 'right' : 'left', color: theme.colors.primary.text, fontWeight: 500 }}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {order.slice(0, Math.floor(height / 33) - 1).map((row, at) => (
          <tr key={at}>
            {names.map(([name, title]) => (
              <td key={name} style={{ ...cell, color: colour(title, row[name]), textAlign: name.startsWith('Value') ? 'right' : 'left' }}>
                {name.startsWith('Value') ? (Number.isFinite(row[name]) ? format(option(title, 'unit'), row[name], option(title, 'decimals')) : panel.fieldConfig.defaults.noValue) : row[name]}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const Nothing = ({ text = 'No data' }) => (
  <div style={{ display: 'grid', placeItems: 'center', height: '100%', color: theme.colors.text.secondary }}>{text}</div>
);

const KINDS = { stat: Stat, timeseries: Lines, heatmap: Heat, table: Table };

function Panel({ panel }) {
  const { x, y, w, h } = panel.gridPos;
  const style = { position: 'absolute', left: MARGIN + x * COLUMN, top: y * (ROW + MARGIN) };
  if (panel.type === 'row') {
    return <div style={{ ...style, padding: '4px 2px', fontSize: 16, fontWeight: 500 }}>⌄&ensp;{panel.title}</div>;
  }
  const Kind = KINDS[panel.type];
  return (
    <div style={style}>
      <PanelChrome title={panel.title} width={w * COLUMN - MARGIN} height={h * (ROW + MARGIN) - MARGIN} padding={panel.type === 'table' ? 'none' : 'md'}>
        {(width, height) => <Kind panel={panel} width={width} height={height} />}
      </PanelChrome>
    </div>
  );
}

function Choices() {
  const shown = board.templating.list.map((one) => [one.label, one.type === 'query' ? 'All' : one.name === 'datasource' ? 'Prometheus' : one.name === 'traces' ? 'Tempo' : one.query]);
  const box = { border: `1px solid ${theme.colors.border.medium}`, borderRadius: 2, marginRight: 8, display: 'inline-flex', fontSize: 12 };
  return (
    <div style={{ padding: '0 8px 10px' }}>
      {shown.map(([label, value]) => (
        <span key={label} style={box}>
          <span style={{ padding: '6px 8px', background: theme.colors.background.secondary }}>{label}</span>
          <span style={{ padding: '6px 10px' }}>{value}</span>
        </span>
      ))}
    </div>
  );
}

function Board() {
  const bottom = Math.max(...board.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div id="board" style={{ width: WIDTH, background: theme.colors.background.canvas, color: theme.colors.text.primary, fontFamily: theme.typography.fontFamily, paddingTop: 10 }}>
        <div style={{ padding: '4px 8px 12px', fontSize: 18, fontWeight: 500 }}>{board.title}</div>
        <Choices />
        <div style={{ position: 'relative', height: bottom * (ROW + MARGIN) + MARGIN }}>
          {board.panels.map((panel) => (
            <Panel key={panel.id} panel={panel} />
          ))}
        </div>
      </div>
    </ThemeContext.Provider>
  );
}

// Axes measure their labels with the font, so it must be there before.
Promise.all(['400 12px Inter', '500 14px Inter'].map((font) => document.fonts.load(font))).then(() =>
  createRoot(document.getElementById('root')).render(<Board />),
);
