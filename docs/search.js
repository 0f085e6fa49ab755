// The search reads a hyphen in front of a word as "without it": people look for --options.
document.addEventListener("input", (event) => {
  const field = event.target;
  if (field.matches?.(".md-search__input")) field.value = field.value.replace(/(^|\s)-+/g, "$1");
}, true);
