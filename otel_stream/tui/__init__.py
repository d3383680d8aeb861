"""Watching live feeds: the screen (`top`), plain lines (`tail`), and the pure model behind them."""
