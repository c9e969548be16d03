/** How the advertised address is chosen: taken as given, by interface, by network, or detected. */

export type AddressChoice =
  | { readonly type: 'given'; readonly host: string }
  | { readonly type: 'interface'; readonly name: string }
  | { readonly type: 'cidr'; readonly cidr: string }
  | { readonly type: 'detected' };
