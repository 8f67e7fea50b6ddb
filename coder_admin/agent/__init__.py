"""The program that runs inside a workspace: it runs the scripts and tells the server what happens.

Standard library only, and little of that: dozens of agents share one machine with the app, so what
each import costs in memory counts. `ssl` is loaded only for an https address, and `asyncio`,
`http.client`, `logging` and `dataclasses` are left out (measured: 17 to 20 MiB with any of the large
ones, 13 MiB without).
"""

VERSION = "v0.1.0"
