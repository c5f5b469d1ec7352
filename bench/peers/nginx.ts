/**
 * nginx as the yardstick: PUT by its DAV module with a body buffer of 1 MiB (with the default of 16 KiB it is half as fast), GET by
 * sendfile, no access log. It neither hashes nor syncs.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, interopDir, projectRoot } from '../paths.ts'
import { accepts, freePort, launch, whenReady } from '../programs.ts'
import type { Server } from './server.ts'

export interface NginxServer extends Server {
  readonly port: number
  /** What is below `/` there. */
  readonly root: string
}

export interface NginxOptions {
  readonly dir: string
  /** Stands before this Sluice instead of serving files, and sends what it is told to from the data directory. */
  readonly before?: { readonly api: number; readonly dataDir: string }
}

/** Why there is none, or undefined. */
export function nginxAbsence(): string | undefined {
  const program = nginxProgram()
  if (program === undefined) return 'no nginx; test-interop/install.sh brings one'
  // It says this on standard error.
  const { stderr } = spawnSync(program, ['-V'], { encoding: 'utf8' })
  return stderr.includes('--with-http_dav_module') ? undefined : `${program} has no DAV module`
}

/** @returns undefined when there is none */
export function nginxProgram(): string | undefined {
  return findProgram('nginx', '/usr/sbin/nginx', join(interopDir, 'nginx/usr/sbin/nginx'))
}

export async function startNginx({ dir, before }: NginxOptions): Promise<NginxServer> {
  const root = join(dir, 'root')
  mkdirSync(root, { recursive: true })
  mkdirSync(join(dir, 'body'))
  const port = await freePort()
  const temporary = ['proxy', 'fastcgi', 'uwsgi', 'scgi'].map(kind => `${kind}_temp_path ${join(dir, kind)};`)
  const site = before === undefined ? files(root) : inFront(before)
  writeFileSync(
    join(dir, 'nginx.conf'),
    `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
pid ${join(dir, 'nginx.pid')};
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000000;
  keepalive_timeout 300;
  client_max_body_size 0;
  client_body_buffer_size 1m;
  client_body_temp_path ${join(dir, 'body')};
  ${temporary.join(' ')}
${site(port)}
}
`,
  )
  const program = launch({
    name: 'nginx',
    command: nginxProgram() ?? 'nginx',
    args: ['-p', dir, '-e', 'stderr', '-c', join(dir, 'nginx.conf')],
    dir,
  })
  await whenReady(program, () => accepts(port))
  return { name: 'nginx', pid: program.pid, port, root, stop: () => program.stop() }
}

function files(root: string) {
  return (port: number) => `
  server {
    listen 127.0.0.1:${port};
    location / { root ${root}; dav_methods PUT; }
  }`
}

/** As docs/examples/nginx.conf and nginx-accel.conf have it, without TLS. */
function inFront({ api, dataDir }: { readonly api: number; readonly dataDir: string }) {
  const accelExample = readFileSync(join(projectRoot, 'docs/examples/nginx-accel.conf'), 'utf8')
  return (port: number) => `
  upstream sluice { server 127.0.0.1:${api}; keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_request_buffering off;
    proxy_set_header X-Forwarded-For $remote_addr;
    location / { proxy_pass http://sluice; }
    ${accelExample.replace('/var/lib/sluice/objects/', `${join(dataDir, 'objects')}/`)}
  }`
}
