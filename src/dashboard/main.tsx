import { render } from "preact"
import "uplot/dist/uPlot.min.css"
import "./dashboard.css"
import { App } from "./app.tsx"

const place = document.getElementById("app")
if (place !== null) render(<App />, place)
