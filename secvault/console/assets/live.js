"use strict";
// Keeps what htmx does in place as it would be with whole pages: what went wrong is shown, another
// page is gone to, the keyboard stays where it was, and what came is read aloud.
(() => {
  const on = (name, act) => document.addEventListener("htmx:" + name, act);
  let held = "";

  const natively = (form, submitter) => {
    if (submitter && submitter.name) {
      const said = document.createElement("input");
      said.type = "hidden";
      said.name = submitter.name;
      said.value = submitter.value;
      form.append(said);
    }
    form.submit();
  };

  const hold = (part) => {
    held = part.contains(document.activeElement) ? part.id : "";
  };

  const release = () => {
    const part = document.getElementById(held);
    if (part && document.activeElement === document.body) part.focus();
    held = "";
  };

  on("beforeSwap", (event) => {
    const detail = event.detail;
    const {xhr, requestConfig: asked} = detail;
    if (!asked) return;
    const answer = new DOMParser().parseFromString(xhr.responseText, "text/html");
    const part = asked.elt.getAttribute("hx-select");
    if (xhr.status === 401 && asked.verb !== "get") {
      // A factor is to be shown again, on a page with a script; nothing has been done.
      event.preventDefault();
      const by = asked.triggeringEvent;
      natively(asked.elt, by && by.submitter);
    } else if (xhr.status >= 400 && answer.querySelector("#main")) {
      detail.shouldSwap = true;
      detail.isError = false;
      detail.target = document.getElementById("main");
      detail.selectOverride = "#main";
      detail.swapOverride = "outerHTML";
      held = "main";
    } else if (xhr.status >= 400 || !part || !answer.querySelector(part)) {
      event.preventDefault();
      location.assign(xhr.responseURL);
    } else {
      hold(detail.target);
      const saying = document.querySelector("[data-saying]");
      if (saying) saying.textContent = answer.querySelector(part).dataset.says || "";
    }
  });
  on("afterSwap", release);

  on("sseBeforeMessage", (event) => hold(event.target));
  on("sseMessage", release);

  // No answer: the browser says so better than we could.
  for (const name of ["sendError", "timeout"]) {
    on(name, (event) => {
      const asked = event.detail.requestConfig;
      if (asked.verb === "get") location.assign(event.detail.pathInfo.finalRequestPath);
      else location.reload();
    });
  }
})();
