"""The whole story on a small web that the demo draws and serves itself, or on your own archive."""

from linkwell.demo.demo import DemoResult, run_demo

__all__ = ["DemoResult", "run_demo"]
