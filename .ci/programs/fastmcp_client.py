"""A client of an MCP server with FastMCP, as its documentation has it. The browser is a line of output."""

import asyncio
import sys
import webbrowser

from fastmcp import Client


class Printed(webbrowser.BaseBrowser):
    """A browser that shows where it was sent."""

    def open(self, url, new=0, autoraise=True):
        print(url, flush=True)
        return True


async def main():
    async with Client(sys.argv[1], auth="oauth") as client:
        await client.ping()


webbrowser.register("printed", None, Printed("printed"), preferred=True)
asyncio.run(main())
