#!/bin/bash
# Chromium without the page that suggests addresses below its address bar, of which each window has one, by either of two features: it
# takes more than most pages under test. Playwright gives a list of features to be without already, and of two only the last counts.
exec "$CHROMIUM" "${@/#--disable-features=/--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,}"
