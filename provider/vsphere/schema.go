package vsphere

// schema describes options to people and programs.
const schema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "Options of a VMware vSphere Provider",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "caCertificate": {
      "title": "CA certificate",
      "description": "Certificates of the authorities, in PEM form, that are trusted to have signed the server's certificate, instead of those of the operating system.",
      "type": "string",
      "maxLength": 100000,
      "contentMediaType": "application/x-pem-file"
    },
    "thumbprint": {
      "title": "Certificate thumbprint",
      "description": "The SHA-256 or SHA-1 thumbprint of the server's certificate in hexadecimal digits, with or without colons. A server with exactly this certificate is trusted, and no other.",
      "type": "string",
      "pattern": "^([0-9A-Fa-f]{2}:?){19}(([0-9A-Fa-f]{2}:?){12})?[0-9A-Fa-f]{2}$"
    },
    "insecureSkipVerify": {
      "title": "Do not verify the certificate",
      "description": "Trust any server that answers at the address. Passwords can then be stolen on the way: for trials only.",
      "type": "boolean",
      "default": false
    }
  }
}`
