/****************************************************************************
 * @brief	Read-only memory with registered output, filled from a file.
 *
 * @description
 *	q <- mem[addr]  whenever en is high. INIT_FILE holds DEPTH hexadecimal
 *	words, one per line.
 *
 *	Cannot be written at run time.
 ***************************************************************************/
module imec_rom #(
	int unsigned  DEPTH,
	int unsigned  WIDTH,
	parameter     INIT_FILE,
	parameter     RAM_STYLE = "auto",	// auto, distributed, block, ultra

	localparam int unsigned  BITS = DEPTH > 1? $clog2(DEPTH) : 1
)(
	input	logic  clk,

	input	logic  en,
	input	logic [BITS-1:0]  addr,
	output	logic [WIDTH-1:0]  q
);
	logic [WIDTH-1:0]  Q;
	// A ROM in LUTs is logic: open synthesis has no attribute for it, Vivado does so by default.
	if(RAM_STYLE == "distributed") begin : genLogic
		logic [WIDTH-1:0]  Mem[DEPTH];
		initial  $readmemh(INIT_FILE, Mem);
		always_ff @(posedge clk)  if(en)  Q <= Mem[addr];
	end : genLogic
	else begin : genMemory
		(* ram_style = RAM_STYLE, rom_style = RAM_STYLE *)
		logic [WIDTH-1:0]  Mem[DEPTH];
		initial  $readmemh(INIT_FILE, Mem);
		always_ff @(posedge clk)  if(en)  Q <= Mem[addr];
	end : genMemory
	assign	q = Q;

endmodule : imec_rom
