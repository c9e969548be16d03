# The sidecar and the command line tools in one image: `docker run --rm pilotfish --help`. See docs/containers.md.

# Compiles what the second stage only copies. This image has the compiler that the native addon `zookeeper` needs.
FROM node:22.23.2-bookworm AS build
WORKDIR /app
# Node's headers are in the image: node-gyp need not download them.
ENV npm_config_nodedir=/usr/local
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY runtime runtime
COPY registry registry
COPY sidecar sidecar
COPY resolver resolver
COPY cli cli
RUN npm run build && chmod +x dist/cli/main.js
# The addon is an optional dependency, so npm hides that it did not compile: loading it must not fail here. What it was
# compiled from, and binaries for other systems, stay behind.
RUN npm prune --omit=dev \
    && rm -r node_modules/zookeeper/deps node_modules/zookeeper/prebuilds \
    && node -e "require('zookeeper')"

FROM node:22.23.2-bookworm-slim
LABEL org.opencontainers.image.title="pilotfish" \
      org.opencontainers.image.description="Service discovery for services that never heard of it" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="docker.io/library/node:22.23.2-bookworm-slim"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
RUN ln -s /app/dist/cli/main.js /usr/local/bin/pilotfish
# The image's user `node`, as a number: Kubernetes' runAsNonRoot refuses names. It owns nothing below /app, and nothing
# is written there.
USER 1000:1000
# Asks the sidecar itself, not the services it probes, which have /readyz. A sidecar whose admin server listens
# elsewhere says so in PILOTFISH_ADMIN rather than in its file, or brings its own check.
HEALTHCHECK --interval=15s --timeout=3s --start-period=5s --retries=3 \
    CMD ["node", "-e", "require('node:http').get(`http://${process.env.PILOTFISH_ADMIN || '127.0.0.1:9190'}/healthz`, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
# Without a shell, node is process 1 and gets SIGTERM itself; it has handlers for it and starts no children to reap, so
# it needs no init. In the tenth of a second before the handlers stand a signal is lost, as for any process 1; nothing
# is registered by then. `docker run --init` closes even that gap.
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
CMD ["sidecar"]
