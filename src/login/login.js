/** The page at `/login`: logging in and out, and the first owner. It works by itself, and loads nothing but its style. */

const TEXTS = {
  en: {
    login: "Log in",
    none: "The first owner is made by the link that a node prints at its start, or on its machine:",
    setup: "The first owner",
    setupHint: "Choose the name and the password of the deployment's owner.",
    name: "Name",
    password: "Password",
    logout: "Log out",
    everywhere: "Log out everywhere",
    figures: "To the figures",
    as: "Logged in as",
    failed: "It did not work:",
  },
  fr: {
    login: "Se connecter",
    none: "Le premier propriétaire est créé par le lien qu’un nœud affiche au démarrage, ou sur sa machine :",
    setup: "Premier propriétaire",
    setupHint: "Choisissez le nom et le mot de passe du propriétaire.",
    name: "Nom",
    password: "Mot de passe",
    logout: "Se déconnecter",
    everywhere: "Se déconnecter partout",
    figures: "Voir les chiffres",
    as: "Connecté :",
    failed: "Échec :",
  },
}

/** What the address says behind its `#`. */
const parameters = () => new URLSearchParams(location.hash.slice(1))

const language = navigator.language.startsWith("fr") ? "fr" : "en"
const texts = TEXTS[language]
document.documentElement.lang = language
const main = document.querySelector("main")

/** Calls the API; the page's address tells where that is. Rejects with the sentence of a refusal. */
const call = async (path, body) => {
  // By `location`, for the document's own address may have a proxy's name and password in it, which `fetch` does not take.
  const answer = await fetch(new URL(`./api/v1/analytics/${path}`, location.href), {
    ...(body !== undefined && {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    }),
  })
  const { data, error } = await answer.json()
  if (!answer.ok) throw new Error(error)
  return data
}

/** An element with properties and children. */
const element = (name, properties, ...children) => {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...children)
  return made
}

const show = (title, ...children) => {
  document.title = title
  main.replaceChildren(element("h1", {}, title), ...children)
}

const field = (label, properties) =>
  element("label", {}, label, element("input", { required: true, ...properties }))

/** Tells what went wrong, for readers of screens, too. */
const trying = (act) => async (event) => {
  event.preventDefault()
  main.querySelector("[role=alert]")?.remove()
  try {
    await act(new FormData(event.target.closest("form") ?? undefined))
  } catch (cause) {
    main.append(element("p", { role: "alert" }, `${texts.failed} ${cause.message}`))
  }
}

const showLoggedIn = (name) => {
  const leave = (everywhere) =>
    trying(async () => {
      await call("logout", { everywhere })
      await start()
    })
  show(
    `${texts.as} ${name}`,
    element("a", { href: "./", className: "button" }, texts.figures),
    element("button", { type: "button", onclick: leave(false) }, texts.logout),
    element("button", { type: "button", onclick: leave(true) }, texts.everywhere),
  )
}

const logIn = async (given) => {
  await call("login", { name: given.get("name"), password: given.get("password") })
  location.assign(parameters().get("to") === "settings" ? "./settings" : "./")
}

const showForm = (title, hint, newPassword, submit) =>
  show(
    title,
    element(
      "form",
      { onsubmit: trying(submit) },
      ...(hint === null ? [] : [element("p", {}, hint)]),
      field(texts.name, { name: "name", autocomplete: "username", maxLength: 100, autofocus: true }),
      field(texts.password, {
        ...{ name: "password", type: "password", maxLength: 200 },
        ...(newPassword
          ? { autocomplete: "new-password", minLength: 10 }
          : { autocomplete: "current-password" }),
      }),
      element("button", { type: "submit" }, title),
    ),
  )

const start = async () => {
  const setup = parameters().get("setup")
  if (setup !== null)
    return showForm(texts.setup, texts.setupHint, true, async (given) => {
      await call("setup", { token: setup, name: given.get("name"), password: given.get("password") })
      // A secret that has been used need not stay in the address.
      history.replaceState(null, "", location.pathname)
      await logIn(given)
    })
  const { name } = await call("access")
  if (name !== null) showLoggedIn(name)
  else {
    showForm(texts.login, null, false, logIn)
    const command = element("code", { translate: false }, "npm start -- users add NAME --role owner")
    main.append(element("p", { className: "hint" }, texts.none, " ", command))
  }
}

start()
