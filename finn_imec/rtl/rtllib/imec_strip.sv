/****************************************************************************
 * @brief	Memory of the line buffer: the live part of the input rows.
 *
 * @description
 *	q <- mem[addr],  mem[write_addr] <- d if we   (both in the same cycle)
 *
 *	STEPS = 2 adds a register behind the memory, which a block RAM holds inside.
 *
 *	With one port, write_addr is unused and everything happens at addr. The newest
 *	word replaces the word that is read for the last time, at the same address, so
 *	that a single-port memory holds exactly the live part of the input rows. A second
 *	port writes where the read is not.
 *
 *	              column of the image
 *	         . . . . . . . . . . . . .
 *	         . . .[o o o]x x x x x x x     [ ] window, o read, x live
 *	         x x x[o o o]x x x x x x x
 *	         x x x[o o *]                  * newest pixel
 *	              ^ read for the last time, this pixel is replaced by the one to
 *	                the right of *, (K_h-1)*W + K_w pixels after it.
 *
 *	Does not initialize or reset its contents.
 ***************************************************************************/
module imec_strip #(
	int unsigned  DEPTH,
	int unsigned  WIDTH,
	bit  DUAL_PORT = 0,
	parameter     RAM_STYLE = "auto",	// auto, distributed, block, ultra
	int unsigned  STEPS = 1,	// from address to word, 1 or 2

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
	if(STEPS < 1 || STEPS > 2)  $error("STEPS=%0d must be 1 or 2.", STEPS);
	if(DEPTH < 1)  $error("DEPTH=%0d must be at least 1.", DEPTH);

	logic [WIDTH-1:0]  Q;
	if(DEPTH == 1) begin : genRegister
		logic [WIDTH-1:0]  Word;
		always_ff @(posedge clk) begin
			if(en) begin
				Q <= Word;
				if(we)  Word <= d;
			end
		end
	end : genRegister
	else begin : genMemory
		(* ram_style = RAM_STYLE *)
		logic [WIDTH-1:0]  Mem[DEPTH];
		uwire [BITS-1:0]  waddr = DUAL_PORT? write_addr : addr;
		always_ff @(posedge clk) begin
			if(en) begin
				Q <= Mem[addr];
				if(we)  Mem[waddr] <= d;
			end
		end
	end : genMemory
	imec_delay #(.WIDTH(WIDTH), .STEPS(STEPS-1)) behind(.clk, .en, .d(Q), .q);

endmodule : imec_strip
