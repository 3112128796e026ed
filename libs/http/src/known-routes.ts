/** A route as it is declared: `/v1/sales/:id`, `/docs/*`. */
type DeclaredRoute = { method: string | readonly string[]; url: string };

/** Which methods there are at a path: the router itself knows only one method at a time. */
export class KnownRoutes {
  private readonly routes = new Map<string, { path: RegExp; methods: Set<string> }>();

  add({ method, url }: DeclaredRoute): void {
    let route = this.routes.get(url);
    if (route === undefined) this.routes.set(url, (route = { path: matching(url), methods: new Set() }));
    for (const each of [method].flat()) route.methods.add(each);
  }

  /** In the order of the alphabet; none where there is no route at all. */
  methodsAt(path: string): string[] {
    const found = [...this.routes.values()].filter((route) => route.path.test(path));
    return [...new Set(found.flatMap(({ methods }) => [...methods]))].sort();
  }
}

function matching(url: string): RegExp {
  const parts = url.split('/').map((part) => {
    if (part === '*') return '.*';
    return part.startsWith(':') ? '[^/]+' : part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  });
  return new RegExp(`^${parts.join('/')}$`);
}
