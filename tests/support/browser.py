"""A real browser for tests and the demonstration: Debian's Chromium, headless.

    with Browser(idp.ca_file) as browser:
        alice = browser.person("alice")
        outcome = alice.approve(address, code)     # types and clicks
        browser.screenshot("approved.png")

It has a home folder of its own, and trusts one CA the way a person would import
it: certificates are verified. Debian's chromium, chromium-driver, libnss3-tools
and python3-selenium are needed (and so /usr/bin/python3).
"""

import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.append(os.path.join(HERE, "..", "idp"))

from approve import Page, PageError, Person  # noqa: E402

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
    "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-proxy-server",
    "--disable-dev-shm-usage",  # containers have little of it
)
PATIENCE_S = 20  # for a page; far more than it takes, on a busy machine


class Browser:
    """See the head of the file. Without `ca_file` it trusts what the Debian
    package trusts."""

    def __init__(self, ca_file=None, size="desktop"):
        self.ca_file = ca_file
        self.size = size
        self.driver = None
        self._folder = tempfile.mkdtemp(prefix="devauth-browser-")

    def start(self):
        home = os.path.join(self._folder, "home")
        os.mkdir(home)
        if self.ca_file:
            trust(home, self.ca_file)
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in FLAGS:
            options.add_argument(flag)
        options.add_argument(f"--user-data-dir={self._folder}/profile")
        options.ignore_local_proxy_environment_variables()
        service = Service("/usr/bin/chromedriver", log_path=os.devnull, env={
            "HOME": home, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8",
            "TMPDIR": self._folder})
        try:
            self.driver = webdriver.Chrome(service=service, options=options)
            self.driver.set_page_load_timeout(PATIENCE_S)
            self.resize(self.size)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        if self.driver is not None:
            self.driver.quit()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def person(self, username="alice", password=None, **more):
        return Visitor(self, username, password, **more)

    # What surrounds the page

    def resize(self, size):
        """"desktop" or "phone", which lays pages out as phones do."""
        self.size = size
        width, height = SIZES[size]
        phone = size == "phone"
        self._command("Emulation.setDeviceMetricsOverride",
                      width=width, height=height, mobile=phone,
                      deviceScaleFactor=2 if phone else 1)

    def dark(self, wanted=True):
        """Dark mode, or light."""
        self._command("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme",
             "value": "dark" if wanted else "light"}])

    def forget(self):
        """Signed out everywhere."""
        self._command("Network.clearBrowserCookies")

    def screenshot(self, path):
        """The page as PNG, down to its end where it is longer than the
        screen."""
        width, height = SIZES[self.size]
        height = max(height, self.run(
            "return document.documentElement.scrollHeight"))
        picture = self._command(
            "Page.captureScreenshot", captureBeyondViewport=True,
            clip={"x": 0, "y": 0, "width": width, "height": height,
                  "scale": 1})
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture["data"]))

    # The page

    def open(self, url):
        """Goes to an address; PageError tells why the browser refuses."""
        try:
            self.driver.get(url)
        except WebDriverException as error:
            raise PageError(error.msg.splitlines()[0]) from None
        page = self.page()
        if page.status == 0:
            # The browser's own page: no server was allowed to answer.
            reason = re.search(r"ERR_\w+", self.text)
            raise PageError(reason.group(0) if reason else self.text)
        return page

    def page(self):
        """The page as it stands now."""
        status = self.run("return performance.getEntriesByType('navigation')"
                          "[0].responseStatus")
        return Page(self.driver.current_url, status, {},
                    self.driver.page_source)

    @property
    def text(self):
        """What can be read on the page."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def overhang(self):
        """By how many pixels the page is wider than the screen."""
        widest = self.run("return Math.max(window.innerWidth, "
                          "document.documentElement.scrollWidth)")
        return widest - SIZES[self.size][0]

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    # Hands

    def type(self, *keys):
        """On the keyboard, wherever the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def replace(self, text):
        """Types into the field that has the focus, over what stands there."""
        ActionChains(self.driver).key_down(Keys.CONTROL).send_keys("a") \
            .key_up(Keys.CONTROL).send_keys(text).perform()

    def tab_to(self, element):
        """Presses Tab until the element has the focus, and shows it."""
        for _ in range(20):
            if element == self.driver.switch_to.active_element:
                if not self.run("return arguments[0].matches(':focus-visible')",
                                element):
                    raise PageError("the focus cannot be seen")
                return
            self.type(Keys.TAB)
        raise PageError("Tab does not reach "
                        + element.get_attribute("outerHTML"))

    def follow(self, act):
        """Does what leads to another page; returns that page."""
        document = "return performance.timeOrigin"
        before = self.run(document)
        act()
        deadline = time.monotonic() + PATIENCE_S
        while (self.run(document) == before
               or self.run("return document.readyState") != "complete"):
            if time.monotonic() > deadline:
                raise PageError("no other page came: " + self.text[:200])
            time.sleep(0.01)
        return self.page()

    def _command(self, name, **arguments):
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, arguments)


class Visitor(Person):
    """approve.Person at a real browser. With `keyboard` nothing is clicked:
    Tab, the letters and Enter have to do."""

    def __init__(self, browser, username, password=None, keyboard=False,
                 **more):
        super().__init__(browser.ca_file, username, password, **more)
        self.browser = browser
        self.keyboard = keyboard

    def open(self, url, data=None):
        if data is not None:
            raise PageError("a browser sends forms, see submit")
        self.page = self.browser.open(url)
        return self.page

    def submit(self, field, **typed):
        form = f'form:has([name="{field}"]) '
        button = form + "button"
        for name, text in typed.items():
            place = form + f'[name="{name}"]'
            if self.browser.find(place).tag_name == "button":
                button = f'{place}[value="{text}"]'
                continue
            self._go_to(self.browser.find(place))
            self.browser.replace(text)
        self.page = self.browser.follow(
            lambda: self._press(self.browser.find(button)))
        return self.page

    def _go_to(self, element):
        if self.keyboard:
            self.browser.tab_to(element)
        else:
            element.click()

    def _press(self, button):
        if self.keyboard:
            self.browser.tab_to(button)
            self.browser.type(Keys.ENTER)
        else:
            button.click()


def trust(home, ca_file):
    """What importing a CA into the browser's settings does."""
    database = os.path.join(home, ".pki", "nssdb")
    os.makedirs(database, mode=0o700)
    for arguments in (("-N", "--empty-password"),
                      ("-A", "-n", "devauth-idp", "-t", "C,,", "-i", ca_file)):
        subprocess.run(["certutil", "-d", f"sql:{database}", *arguments],
                       check=True, stdin=subprocess.DEVNULL)
