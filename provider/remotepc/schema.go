package remotepc

// schema describes options to people and programs.
const schema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "Options of a Remote PCs Provider",
  "type": "object",
  "additionalProperties": false,
  "required": ["machines"],
  "properties": {
    "machines": {
      "title": "Machines",
      "description": "The PCs of the pool.",
      "type": "array",
      "minItems": 1,
      "maxItems": 10000,
      "items": {
        "type": "object",
        "additionalProperties": false,
        "required": ["id", "address"],
        "properties": {
          "id": {
            "title": "Id",
            "description": "What identifies the PC in this pool, whatever its name and address are. At most 253 bytes of UTF-8, which is fewer characters if they are not ASCII; without / and control characters, and neither . nor ..",
            "type": "string",
            "minLength": 1,
            "maxLength": 253,
            "pattern": "^[^/\\u0000-\\u001F\\u007F-\\u009F]+$",
            "not": {"enum": [".", ".."]}
          },
          "name": {
            "title": "Name",
            "description": "What the PC is called. By default its id.",
            "type": "string",
            "maxLength": 253,
            "pattern": "^[^\\u0000-\\u001F\\u007F-\\u009F]*$"
          },
          "address": {
            "title": "Address",
            "description": "The host name or IP address and, unless it is 3389, the port of the PC's remote desktop, such as pc-17.example.com:3390.",
            "type": "string",
            "minLength": 1,
            "maxLength": 261
          }
        }
      }
    },
    "interval": {
      "title": "Interval",
      "description": "How long to wait between two checks of a PC, from 100ms to 1h.",
      "type": "string",
      "default": "5s",
      "examples": ["5s", "1m"]
    },
    "timeout": {
      "title": "Timeout",
      "description": "How long a PC may take to accept a connection before it counts as off, from 100ms to 1m.",
      "type": "string",
      "default": "2s",
      "examples": ["2s", "500ms"]
    }
  }
}`
