// Plain JavaScript, loaded before everything by `node --import`: an older Node cannot read TypeScript, not even to say so.
const oldest = 24;

if (Number(process.versions.node.split('.')[0]) < oldest) {
  console.error(
    `Slipway needs Node ${oldest} or newer; this is ${process.versions.node}. npm brings one along with the optional ` +
      'dependencies: start it by `npx` or an npm script.',
  );
  process.exit(1);
}
