/** Texts by names that come from outside. Not a plain object, which also has a `constructor` and a `__proto__`. */
export const byName = (texts: { readonly [name: string]: string }): ReadonlyMap<string, string> =>
  new Map(Object.entries(texts))
