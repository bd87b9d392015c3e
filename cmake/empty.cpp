// A static library needs one source; a layer whose code is all headers or per-ISA objects has only this.
