/****************************************************************************
 * @brief	Memory of the line buffer in LUTs, with one port, of more than 256 words.
 *
 * @description
 *	q <- mem[addr],  mem[addr] <- d if we   (both in the same cycle)
 *
 *	The memory is in parts of 256 words, the deepest memory of one port in a slice, and the
 *	rest in up to two, so that no LUT is empty. Synthesis alone would take rows of 64 words,
 *	and LUTs for the multiplexer that a slice has for 256:
 *
 *	            +-->| 256 words |--+
 *	  addr -[||]+-->| 256 words |--+-- mux --||--> q
 *	            +-->| the rest  |--+
 *
 *	STEPS = 2 adds the register of the address; we and d come a step after addr then. It has
 *	an initial value, or synthesis takes it into a second port, for reads alone.
 *
 *	Does not initialize or reset its contents.
 ***************************************************************************/
module imec_parts #(
	int unsigned  DEPTH,
	int unsigned  WIDTH,
	parameter     RAM_STYLE = "auto",	// auto, distributed, block
	int unsigned  STEPS = 1,	// from address to word, 1 or 2

	localparam int unsigned  BITS = DEPTH > 1? $clog2(DEPTH) : 1
)(
	input	logic  clk,

	input	logic  en,
	input	logic [BITS-1:0]  addr,
	input	logic  we,
	input	logic [WIDTH-1:0]  d,
	output	logic [WIDTH-1:0]  q
);
	if(DEPTH <= 256)  $error("DEPTH=%0d must be above 256.", DEPTH);
	if(STEPS < 1 || STEPS > 2)  $error("STEPS=%0d must be 1 or 2.", STEPS);

	localparam int unsigned  WHOLE = DEPTH/256;
	localparam int unsigned  REST  = DEPTH%256;
	localparam bit  SPLIT = REST > 128 && REST <= 192;	// 128 and up to 64
	localparam int unsigned  PARTS = WHOLE + (REST > 0) + SPLIT;
	function automatic int unsigned first(input int unsigned  part);
		return  part <= WHOLE? 256*part : 256*WHOLE + 128;
	endfunction : first

	typedef logic [BITS-1:0]  addr_t;
	uwire addr_t  at;
	if(STEPS == 1)  assign  at = addr;
	else begin : genEarly
		addr_t  Addr = '0;
		always_ff @(posedge clk)  if(en)  Addr <= addr;
		assign	at = Addr;
	end : genEarly

	uwire [PARTS-1:0][WIDTH-1:0]  word;
	for(genvar  p = 0; p < PARTS; p++) begin : genPart
		localparam int unsigned  FIRST = first(p);
		localparam int unsigned  END   = p < PARTS-1? first(p+1) : DEPTH;
		localparam int unsigned  AT_BITS = END - FIRST > 1? $clog2(END - FIRST) : 1;
		uwire  here = (p == 0 || at >= addr_t'(FIRST)) && (p == PARTS-1 || at < addr_t'(END));
		(* ram_style = RAM_STYLE *)
		logic [WIDTH-1:0]  Mem[END - FIRST];
		always_ff @(posedge clk)  if(en && we && here)  Mem[at[AT_BITS-1:0]] <= d;
		assign	word[p] = Mem[at[AT_BITS-1:0]];
	end : genPart

	logic [WIDTH-1:0]  next;
	always_comb begin
		next = word[0];
		for(int unsigned  p = 1; p < PARTS; p++) begin
			if(at >= addr_t'(first(p)))  next = word[p];
		end
	end

	logic [WIDTH-1:0]  Q;
	always_ff @(posedge clk)  if(en)  Q <= next;
	assign	q = Q;

endmodule : imec_parts
