// Server-sent events out of pieces of text, however they are cut.

// push(text) gives the data of each event that is complete by now.
export class EventParser {
  constructor() { this.rest = ''; }

  push(text) {
    this.rest += text;
    const events = [];
    for (;;) {
      // The end of an event is an empty line; lines end with \n, \r\n or \r.
      const end = /\r\n\r\n|\n\n|\r\r(?!\n)/.exec(this.rest);
      if (!end) return events;
      const data = [];
      for (const line of this.rest.slice(0, end.index).split(/\r\n|\n|\r/))
        if (line.startsWith('data:')) data.push(line.slice(line.charAt(5) === ' ' ? 6 : 5));  // others: comments, names
      this.rest = this.rest.slice(end.index + end[0].length);
      if (data.length > 0) events.push(data.join('\n'));
    }
  }
}
