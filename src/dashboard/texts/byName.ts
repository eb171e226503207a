/** Texts by names that come from outside. Not a plain object, which also has a `constructor` and a `__proto__`. */
export const byName = <Text = string>(texts: { readonly [name: string]: Text }): ReadonlyMap<string, Text> =>
  new Map(Object.entries(texts))
