// Answers everything by HTTP/2 alone. Prints its port.
const fs = require('fs');
const [address, text] = process.argv.slice(1);
const options = { key: fs.readFileSync('server.key'), cert: fs.readFileSync('server.pem') };
const server = require('http2').createSecureServer(options, (request, response) => response.end(text + '\n'));
server.listen(0, address, () => console.log(server.address().port));
