/****************************************************************************
 * @brief	Memory of the line buffer: the live part of the input rows.
 *
 * @description
 *	q <- mem[addr],  mem[write_addr] <- d if we   (both in the same cycle)
 *
 *	STEPS = 2 adds a register: behind a block RAM, which holds it inside, and before the ports of
 *	a memory in LUTs ("distributed"), whose address then has a cycle to reach all of its banks:
 *
 *	  block RAM     addr, d -->| memory |-||-[||]--> q
 *	  LUTs          addr, d -[||]-->| banks |--> mux -||--> q
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
 *	BANKED = 1 is two ports too, those of two banks with one port each, see imec_banks. PARTED = 1
 *	is one port in LUTs, see imec_parts.
 *
 *	Does not initialize or reset its contents.
 ***************************************************************************/
module imec_strip #(
	int unsigned  DEPTH,
	int unsigned  WIDTH,
	bit  DUAL_PORT = 0,
	bit  BANKED = 0,	// two banks
	bit  PARTED = 0,	// parts that fit into slices
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
	if(PARTED && (DUAL_PORT || BANKED))  $error("PARTED=%0d must be 0 with two ports.", PARTED);
	if(DEPTH < 1)  $error("DEPTH=%0d must be at least 1.", DEPTH);

	localparam bit  IN_LUTS = DEPTH == 1 || string'(RAM_STYLE) == "distributed";
	localparam int unsigned  EARLY = IN_LUTS? STEPS-1 : 0;
	uwire [BITS-1:0]  raddr, target;
	uwire  write;
	uwire [WIDTH-1:0]  data;
	imec_delay #(.WIDTH(BITS), .STEPS(EARLY)) reads(.clk, .en, .d(addr), .q(raddr));
	imec_delay #(.WIDTH(1+WIDTH+BITS), .STEPS(EARLY)) writes(
		.clk, .en, .d({ we, d, write_addr }), .q({ write, data, target })
	);
	uwire [BITS-1:0]  waddr = DUAL_PORT? target : raddr;	// one register, or synthesis takes a second port

	logic [WIDTH-1:0]  Q;
	if(DEPTH == 1) begin : genRegister
		logic [WIDTH-1:0]  Word;
		always_ff @(posedge clk) begin
			if(en) begin
				Q <= Word;
				if(write)  Word <= data;
			end
		end
	end : genRegister
	else if(BANKED) begin : genBanks
		imec_banks #(.DEPTH(DEPTH), .WIDTH(WIDTH), .RAM_STYLE(RAM_STYLE)) banks(
			.clk, .en, .addr(raddr), .write_addr(target), .we(write), .d(data), .q(Q)
		);
	end : genBanks
	else if(PARTED) begin : genParts
		imec_parts #(.DEPTH(DEPTH), .WIDTH(WIDTH), .RAM_STYLE(RAM_STYLE), .STEPS(EARLY+1)) parts(
			.clk, .en, .addr, .we(write), .d(data), .q(Q)
		);
	end : genParts
	else begin : genMemory
		(* ram_style = RAM_STYLE *)
		logic [WIDTH-1:0]  Mem[DEPTH];
		always_ff @(posedge clk) begin
			if(en) begin
				Q <= Mem[raddr];
				if(write)  Mem[waddr] <= data;
			end
		end
	end : genMemory
	imec_delay #(.WIDTH(WIDTH), .STEPS(STEPS-1-EARLY)) behind(.clk, .en, .d(Q), .q);

endmodule : imec_strip
