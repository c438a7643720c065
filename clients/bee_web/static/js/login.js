// A login by the code on the console: the token is behind the # of the address, which no server gets to see.

const token = location.hash.slice(1);
const form = document.getElementById("login-form");

if (token && form) {
  history.replaceState(null, "", location.pathname + location.search);
  logIn(decoded(token));
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function logIn(typed) {
  const trouble = document.getElementById("login-trouble");
  trouble.textContent = "Logging in …";
  try {
    const reply = await fetch("/api/v1/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token: typed }),
    });
    if (reply.ok) {
      location.replace(form.elements.next.value || "/");
      return;
    }
    const { message } = await reply.json();
    trouble.textContent = `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
  } catch {
    trouble.textContent = "The machine does not answer.";
  }
}
