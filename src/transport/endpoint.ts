import { TendonError } from '../core/index.ts';

/** An endpoint URL taken apart. Which parts are there depends on the scheme's form. */
export type Endpoint =
  /** `shm:NAME`, `inproc:NAME`, `auto:NAME`: a name, resolved elsewhere, never a path */
  | { readonly form: 'name'; readonly scheme: string; readonly name: string; readonly url: string }
  /** `unix:/path` */
  | { readonly form: 'path'; readonly scheme: string; readonly path: string; readonly url: string }
  /** `tcp://host:port`; IPv6 hosts come without their brackets */
  | {
      readonly form: 'host';
      readonly scheme: string;
      readonly host: string;
      readonly port: number;
      readonly url: string;
    };

const NAMED = ['shm', 'inproc', 'auto'] as const;
const PATHS = ['unix'] as const;
const HOSTS = ['tcp'] as const;

/** The schemes that `parseEndpoint` knows. */
export const ENDPOINT_SCHEMES: readonly string[] = [...NAMED, ...PATHS, ...HOSTS];

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/;

function invalid(url: string, why: string): never {
  throw new TendonError('ENDPOINT_INVALID', `"${url}" is no endpoint: ${why}`, { endpoint: url });
}

/**
 * Takes an endpoint URL apart.
 *
 * @throws TendonError ENDPOINT_INVALID with the form that the scheme wants
 */
export function parseEndpoint(url: string): Endpoint {
  const colon = url.indexOf(':');
  const scheme = colon < 0 ? '' : url.slice(0, colon);
  const rest = url.slice(colon + 1);
  if ((NAMED as readonly string[]).includes(scheme)) {
    if (!NAME.test(rest)) {
      invalid(
        url,
        `a name has 1 to 63 of A-Z a-z 0-9 _ . - and does not start with "." or "-": ${scheme}:camera-1`,
      );
    }
    return { form: 'name', scheme, name: rest, url };
  }
  if ((PATHS as readonly string[]).includes(scheme)) {
    if (!rest.startsWith('/') || rest.startsWith('//'))
      invalid(url, `the path must be absolute: ${scheme}:/run/app.sock`);
    if (rest.includes('\0')) invalid(url, 'a path has no zero byte');
    return { form: 'path', scheme, path: rest, url };
  }
  if ((HOSTS as readonly string[]).includes(scheme))
    return { form: 'host', scheme, url, ...hostAndPort(url, rest) };
  invalid(url, `it must start with one of ${ENDPOINT_SCHEMES.map((known) => `${known}:`).join(' ')}`);
}

function hostAndPort(url: string, rest: string): { host: string; port: number } {
  const match = /^\/\/(?:\[([0-9A-Fa-f:.%a-z]+)\]|([^/:[\]@?#]+)):(\d{1,5})$/.exec(rest);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535)
    invalid(url, 'it needs a host and a port: tcp://127.0.0.1:7000 or tcp://[::1]:7000');
  return { host, port };
}

/** Writes `host:port` as an endpoint of `scheme`, IPv6 in brackets. */
export function hostEndpoint(scheme: string, host: string, port: number): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
