// Changes the theme without reloading the page, and requests letters from the server.
for (const link of document.querySelectorAll("[data-in-page]"))
  link.addEventListener("click", (event) => {
    event.preventDefault()
    history.pushState(null, "", link.href)
    document.documentElement.dataset.theme = new URL(link.href).searchParams.get("theme")
  })

document.querySelector("#contact")?.addEventListener("click", () => {
  document.querySelector("#contact-details").hidden = false
})

for (const button of document.querySelectorAll("[data-letter]"))
  button.addEventListener("click", async () => {
    const answer = await fetch(`/letters?type=${button.dataset.letter}`, { method: "POST" })
    const { letter_type } = await answer.json()
    document.querySelector("#letter").textContent = `Dear reader, here is the ${letter_type} letter.`
  })
