# The base is an argument: any image with Node 24, pinned by digest where it matters, such as a mirror's distroless one.
ARG BASE=node:24-bookworm-slim
FROM ${BASE}
WORKDIR /slipway
COPY package.json package-lock.json ./
# No package has an install script; the image brings Node, so the platform packages stay out.
RUN npm ci --omit=dev --omit=optional --ignore-scripts && npm cache clean --force
COPY src ./src
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 SLIPWAY_DATA=/data
RUN mkdir /data && chown 65532:65532 /data
VOLUME /data
USER 65532:65532
EXPOSE 8080
# No inspector and no report by signal, no environment in reports. A crash must leave no core: run it with `--ulimit core=0`.
ENTRYPOINT ["node", "--disable-sigusr1", "--report-exclude-env", "--import", "./src/require-node.js"]
CMD ["src/main.ts"]
