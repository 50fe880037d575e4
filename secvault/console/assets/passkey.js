"use strict";
// Passkeys: asks the browser for one and hands its answer on. Whatever else a page does, it does
// without this; a form that needs it says so until it runs.
(() => {
  const able = typeof PublicKeyCredential === "function"
    && PublicKeyCredential.parseRequestOptionsFromJSON
    && PublicKeyCredential.parseCreationOptionsFromJSON;

  const ask = async (form, path, body) => {
    const headers = {"Content-Type": "application/json"};
    const csrf = form.elements.namedItem("csrf");
    if (csrf) headers[form.dataset.csrfHeader] = csrf.value;
    const sent = {method: "POST", headers, body: JSON.stringify(body)};
    const answer = await fetch("/api/v1" + path, sent);
    if (!answer.ok) throw new Error(path + " was answered " + answer.status);
    return answer.json();
  };

  const shown = async (options) => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options.public_key);
    return (await navigator.credentials.get({publicKey})).toJSON();
  };

  const deeds = {
    "sign-in": async (form) => {
      const credential = await shown(await ask(form, "/sessions/passkey/challenge", {}));
      await ask(form, "/sessions/passkey", {credential, cookie: true});
      location.assign(form.elements.namedItem("next").value);
    },
    "step-up": async (form) => {
      const credential = await shown(await ask(form, "/sessions/self/step-up/challenge", {}));
      form.elements.namedItem("credential").value = JSON.stringify(credential);
      // Without the check that there is a code.
      form.submit();
    },
    "enrol": async (form) => {
      if (!form.reportValidity()) return;
      const wanted = {name: form.elements.namedItem("name").value};
      const password = form.elements.namedItem("password");
      if (password) wanted.password = password.value;
      const options = await ask(form, "/factors/passkeys/challenge", wanted);
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options.public_key);
      const made = (await navigator.credentials.create({publicKey})).toJSON();
      await ask(form, "/factors/passkeys", {credential: made});
      location.assign(form.elements.namedItem("next").value);
    },
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    if (!able) continue;
    const part = (name) => form.querySelector("[data-part=" + name + "]");
    const act = async (event) => {
      event.preventDefault();
      part("failed").hidden = true;
      part("button").disabled = true;
      try {
        await deeds[form.dataset.passkey](form);
      } catch {
        // Taken back, run out, unknown: which of them, the browser has said itself.
        part("failed").hidden = false;
      }
      part("button").disabled = false;
    };
    part("able").hidden = false;
    const unable = part("unable");
    if (unable) unable.hidden = true;
    part("button").addEventListener("click", act);
    if (form.dataset.passkey !== "step-up") form.addEventListener("submit", act);
  }
})();
