"""What the Grafana boards show, as plain values; `dashboards.py` makes JSON of them."""
