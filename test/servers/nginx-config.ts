/** An nginx that is one process in the foreground, run by any user, with everything it writes below its prefix. */
export function nginxConfig(http: string): string {
  return `daemon off;
master_process off;
error_log stderr error;
pid nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
${http}
}
`;
}
