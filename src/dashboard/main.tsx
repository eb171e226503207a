/** Starts the page: its styles, its first question, then the app. */
import { render } from "preact"
import "uplot/dist/uPlot.min.css"
import "./styles/base.css"
import "./styles/header.css"
import "./styles/places.css"
import "./styles/panels.css"
import "./styles/hour.css"
import "./styles/heatmap.css"
import "./styles/events.css"
import "./styles/states.css"
import "./styles/front.css"
import "./styles/board.css"
import "./styles/settings.css"
import "./styles/sites.css"
import { App } from "./app.tsx"
import { beginFirst } from "./model/ask.ts"

beginFirst()
const place = document.getElementById("app")
if (place !== null) render(<App />, place)
