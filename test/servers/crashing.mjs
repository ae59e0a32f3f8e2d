// Ends at once, saying why on stderr, as a server does whose token is missing. Nothing is ever answered.
console.error('Starting up');
console.error('Error: ACME_TOKEN is not set');
process.exit(3);
