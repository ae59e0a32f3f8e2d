/**
 * Whether a URI can be one of a template (RFC 6570): its literal parts occur in it in their order, the first at the start
 * and the last at the end. Linear in the length of the URI whatever a backend calls a template, and enough to know whose
 * URI it is.
 */
export function matchesTemplate(template: string, uri: string): boolean {
  const [first = '', ...rest] = template.split(/\{[^{}]+\}/);
  const last = rest.pop();
  if (last === undefined) return uri === template;
  if (`${first}${rest.join('')}${last}`.match(/[{}]/) || !uri.startsWith(first)) return false;
  let at = first.length;
  for (const literal of rest) {
    const found = uri.indexOf(literal, at);
    if (found < 0) return false;
    at = found + literal.length;
  }
  return uri.length - last.length >= at && uri.endsWith(last);
}
