"""An MCP client with FastMCP, as in its documentation. The browser only prints the URL."""

import asyncio
import sys
import webbrowser

from fastmcp import Client


class Printed(webbrowser.BaseBrowser):
    """A browser that prints the URLs that it is sent to."""

    def open(self, url, new=0, autoraise=True):
        print(url, flush=True)
        return True


async def main():
    async with Client(sys.argv[1], auth="oauth") as client:
        await client.ping()


webbrowser.register("printed", None, Printed("printed"), preferred=True)
asyncio.run(main())
