/** The page of `/docs`: swagger-ui and three small files of our own, none of them inline, so that the policy can be strict. */

export const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Qingyu AI Gateway</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="stylesheet" href="/docs/page.css">
</head>
<body>
<header>
<h1>Qingyu AI Gateway <span lang="zh">青羽</span></h1>
<nav><a href="/openapi.json">openapi.json</a> <a href="/health/ready">health</a></nav>
</header>
<main id="docs"></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/init.js"></script>
</body>
</html>
`;

// A key stays in the page's memory: it is not for a browser to keep.
export const initScript = `SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
`;

export const pageStyle = `body { margin: 0; background: #fafbfc; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .5rem 2rem; justify-content: space-between;
  max-width: 1460px; box-sizing: border-box; margin: 0 auto; padding: 2.5rem 20px 0;
  font-family: system-ui, sans-serif; color: #1f3a4d; }
h1 { margin: 0; font-size: 2rem; font-weight: 600; }
h1 span { margin-left: .3em; font-weight: 400; color: #4a90a4; }
nav a { margin-left: 1.5rem; color: #2f7289; }
.swagger-ui .info { margin: 1rem 0 1.5rem; }
.swagger-ui .info hgroup, .swagger-ui .servers-title, .swagger-ui .servers, .swagger-ui .operation-servers,
.swagger-ui .response-col_links { display: none; }
.swagger-ui .scheme-container { padding: 0 0 1rem; background: none; box-shadow: none; }
`;
