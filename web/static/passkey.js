// Passkeys: a button with data-passkey asks the server for a challenge, the device for an answer, and sends the form.
// Without this file, or in a browser without passkeys, the button stays hidden: codes work everywhere.
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const described = (list) => (list ?? []).map((each) => ({ ...each, id: bytes(each.id) }));

async function answer(kind, asked) {
  const publicKey = { ...asked, challenge: bytes(asked.challenge) };
  if (kind === "create") {
    publicKey.user = { ...asked.user, id: bytes(asked.user.id) };
    publicKey.excludeCredentials = described(asked.excludeCredentials);
  } else {
    publicKey.allowCredentials = described(asked.allowCredentials);
  }
  const made = await navigator.credentials[kind]({ publicKey });
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (made.response[name]) response[name] = text(made.response[name]);
  }
  return JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response });
}

for (const button of document.querySelectorAll("[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  const form = button.form;
  const fault = form.querySelector("[data-passkey-fault]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    if (!form.reportValidity()) return;
    fault.hidden = true;
    button.disabled = true;
    try {
      const asked = await fetch(button.dataset.options, { method: "POST", body: new FormData(form) });
      // Sent without an answer, the form leads to where they sign in or confirm that it's them.
      if (asked.status === 401 || asked.status === 403) return form.submit();
      if (!asked.ok) throw new Error("no challenge");
      form.elements.answer.value = await answer(button.dataset.passkey, await asked.json());
      form.submit();
    } catch {
      button.disabled = false;
      fault.hidden = false;
    }
  });
}
