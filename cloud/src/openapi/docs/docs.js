// Shows the API's document. "Try it out" asks as whoever is logged in to the pages: the browser sends the session's
// cookie by itself, and what changes something carries the session's CSRF token.
'use strict';

const SAFE = ['GET', 'HEAD', 'OPTIONS'];

/** The CSRF token of the browser's session; nothing if nobody is logged in. */
async function csrf() {
  const answer = await fetch('/api/v1/session', { credentials: 'same-origin' });
  return answer.ok ? (await answer.json()).csrf : undefined;
}

async function ask(request) {
  const own = new URL(request.url, location.href).origin === location.origin;
  const method = (request.method || 'GET').toUpperCase();
  if (own && !SAFE.includes(method) && !request.headers.Authorization) {
    const token = await csrf();
    if (token) request.headers['X-CSRF-Token'] = token;
  }
  return request;
}

window.SwaggerUIBundle({
  url: '/api/v1/openapi.json',
  dom_id: '#api',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  displayOperationId: true,
  displayRequestDuration: true,
  filter: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  requestInterceptor: ask,
});
