// What Solara's page lacks; Solara puts this file into it.
document.documentElement.lang = 'en'; // a screen reader must know
document.querySelector('meta[name="viewport"]').content = 'width=device-width, initial-scale=1';

// Solara tries for a minute to reach a server that went away, ever more rarely, and then no more.
// What it reaches at once has its run still; later there is none, and the page begins anew.
let away = 0;
setInterval(async () => {
  const { wasConnected, connectionStatus } = app.$data;
  away = wasConnected && connectionStatus !== 'connected' ? away + 1 : 0;
  if (away < 3) return;
  const answer = await fetch('/readyz').catch(() => ({ ok: false }));
  if (answer.ok) location.reload();
}, 1000);
