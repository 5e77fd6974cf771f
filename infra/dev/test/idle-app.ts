// An app that does nothing, and would do so for ever.
setInterval(() => {}, 60_000);
console.log("idling");
