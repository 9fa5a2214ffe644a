/****************************************************************************
 * @brief	Memory of the line buffer in two banks with one port each.
 *
 * @description
 *	q <- mem[addr],  mem[write_addr] <- d if we   (both in the same cycle)
 *
 *	addr is the row in a bank, and the bank as its lowest bit. A write goes to the other bank,
 *	whatever the lowest bit of write_addr: each bank has one port.
 *
 *	                +-->| bank 0 |--+
 *	  addr       ---X               +-- mux --||--> q      addr[0]: which way X goes
 *	  write_addr ---X               |
 *	                +-->| bank 1 |--+
 *
 *	imec_sequencer says which bank a word is in.
 *
 *	A bank is in parts of 256 words, the deepest memory of one port in a slice, and the rest
 *	in up to two, so that no LUT is empty.
 *
 *	Does not initialize or reset its contents.
 ***************************************************************************/
module imec_banks #(
	int unsigned  DEPTH,
	int unsigned  WIDTH,
	parameter     RAM_STYLE = "auto",	// auto, distributed, block

	localparam int unsigned  BITS = DEPTH > 1? $clog2(DEPTH) : 1
)(
	input	logic  clk,

	input	logic  en,
	input	logic [BITS-1:0]  addr,
	input	logic [BITS-1:0]  write_addr,
	input	logic  we,
	input	logic [WIDTH-1:0]  d,
	output	logic [WIDTH-1:0]  q
);
	if(DEPTH < 4 || DEPTH % 2 != 0)  $error("DEPTH=%0d must be even and at least 4.", DEPTH);

	localparam int unsigned  WORDS = DEPTH/2;
	localparam int unsigned  WHOLE = WORDS/256;
	localparam int unsigned  REST  = WORDS%256;
	localparam bit  SPLIT = REST > 128 && REST <= 192;	// 128 and up to 64
	localparam int unsigned  PARTS = WHOLE + (REST > 0) + SPLIT;
	function automatic int unsigned first(input int unsigned  part);
		return  part <= WHOLE? 256*part : 256*WHOLE + 128;
	endfunction : first

	typedef logic [BITS-2:0]  row_t;
	uwire row_t  row = addr[BITS-1:1];
	uwire row_t  write_row = write_addr[BITS-1:1];
	uwire  bank = addr[0];

	uwire [PARTS-1:0][1:0][WIDTH-1:0]  word;
	for(genvar  b = 0; b < 2; b++) begin : genBank
		uwire  read = bank == 1'(b);
		uwire row_t  at = read? row : write_row;
		for(genvar  p = 0; p < PARTS; p++) begin : genPart
			localparam int unsigned  FIRST = first(p);
			localparam int unsigned  END   = p < PARTS-1? first(p+1) : WORDS;
			localparam int unsigned  AT_BITS = END - FIRST > 1? $clog2(END - FIRST) : 1;
			uwire  here = (p == 0 || write_row >= row_t'(FIRST)) && (p == PARTS-1 || write_row < row_t'(END));
			(* ram_style = RAM_STYLE *)
			logic [WIDTH-1:0]  Mem[END - FIRST];
			always_ff @(posedge clk)  if(en && we && !read && here)  Mem[at[AT_BITS-1:0]] <= d;
			assign	word[p][b] = Mem[at[AT_BITS-1:0]];
		end : genPart
	end : genBank

	logic [WIDTH-1:0]  next;
	always_comb begin
		next = word[0][bank];
		for(int unsigned  p = 1; p < PARTS; p++) begin
			if(row >= row_t'(first(p)))  next = word[p][bank];
		end
	end

	logic [WIDTH-1:0]  Q;
	always_ff @(posedge clk)  if(en)  Q <= next;
	assign	q = Q;

endmodule : imec_banks
