/****************************************************************************
 * @brief	Read-only memory with registered output.
 *
 * @description
 *	q <- mem[addr]  whenever en is high. INIT_FILE holds DEPTH hexadecimal words, one
 *	per line, unless LAYOUT arranges them for memories of 2**n rows:
 *
 *	"table"		Up to 256 words in LUTs, from TABLE instead of a file: its rows from bit
 *			TABLE_LSB on, see imec_table.
 *
 *	"banked"	Block RAM holds most in words of 9 bits. It then has BANK = 2048 in half
 *			a RAMB36 or 4096 in a whole one:
 *			row r = words { .., 2*BANK + r, BANK + r, r }, in whole nines of bits in
 *			INIT_FILE, the few bits above them in LEFT_FILE, a memory of its own,
 *			REST_FILE row r mod 2**m = word r of those beyond the last full bank.
 *
 *	"paired"	A little more than half of FAR = 2**n words, in both ports of a memory:
 *
 *			INIT_FILE  |-- low half of word r -->|<- high half of FAR-1-r -|
 *			           0                         DEPTH                   FAR
 *			REST_FILE row r mod 2**m = high half of word r from FAR-DEPTH on.
 *
 *	"through"	As "paired", with rows to spare, so that no multiplexer joins the memories:
 *			beyond KEPT words, the second port writes the high half from the other memory
 *			into such a row, and a port that writes shows what it writes.
 *
 *			INIT_FILE  |-- low half of word r -->|xxx|<- high half of FAR-1-r -|
 *			           0                         DEPTH  FAR-KEPT             FAR
 *			REST_FILE row r mod 2**m = high half of word r from KEPT on.
 *
 *			KEPT is below FAR-DEPTH, such that m is the least and KEPT a multiple of the
 *			highest power of two: few bits then tell in which memory a word is.
 *
 *			  ahead -->| rest |-||--d-->|second|
 *			                    addr -->| port |-||--> high half
 *
 *			The other memory is read a cycle before: whenever step is high, ahead is what
 *			addr is in the next cycle, if that word is in the other memory.
 *
 *	"split"		A little more than half of 2**n words, in memories as deep as they get, so that few
 *			words are multiplexed. The first 2**(n-1) are in several of 2**17 bits: four
 *			RAMB36, of which words of nine bits would save none.
 *
 *			SPLIT_FILES' i-th, of names of one length: row r = the i-th few bits of word r,
 *			REST_FILE row r mod 2**m = word r of those beyond.
 *
 *	rom_images in finn_imec/layer/memories.py arranges the words of these files.
 *
 *	STEPS = 2 adds a register: behind the multiplexer of a block RAM's rows, inside a block
 *	RAM without one, and before a table, whose address has fewer bits. Other families than
 *	Xilinx', with slower block RAM and smaller LUTs, have a bank's before the multiplexer.
 *
 *	  block RAM     addr -->| memory |-||-->\
 *	                addr -->| memory |-||--> mux -[||]--> q
 *	  table         addr -[||]-->| LUTs |-||--> q
 *
 *	Words cannot be written at run time. Only "through" uses ahead and step.
 ***************************************************************************/
module imec_rom import imec_pkg::*; #(
	int unsigned  DEPTH,
	int unsigned  WIDTH,
	parameter string  LAYOUT = "plain",
	parameter     INIT_FILE = "",
	parameter     LEFT_FILE = "",
	parameter     REST_FILE = "",
	parameter     SPLIT_FILES = "",
	int unsigned  BANK = 2048,	// words of a bank, a power of two
	int unsigned  ROWS = 1,	// of TABLE: DEPTH if used
	int unsigned  TABLE_WIDTH = WIDTH,
	int unsigned  TABLE_LSB = 0,
	logic [ROWS-1:0][TABLE_WIDTH-1:0]  TABLE = '0,
	parameter     RAM_STYLE = "auto",	// auto, distributed, block, ultra
	int unsigned  STEPS = 1,	// from address to word, 1 or 2
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  BITS = DEPTH > 1? $clog2(DEPTH) : 1
)(
	input	logic  clk,

	input	logic  en,
	input	logic [BITS-1:0]  addr,
	input	logic  step,
	input	logic [BITS-1:0]  ahead,
	output	logic [WIDTH-1:0]  q
);
	if(STEPS < 1 || STEPS > 2)  $error("STEPS=%0d must be 1 or 2.", STEPS);

	localparam bit  IN_LUTS = LAYOUT == "table" || string'(RAM_STYLE) == "distributed";
	uwire [BITS-1:0]  late_addr;
	imec_delay #(.WIDTH(BITS), .STEPS(IN_LUTS? STEPS-1 : 0)) early(.clk, .en, .d(addr), .q(late_addr));
	uwire [WIDTH-1:0]  word;	// a step after late_addr, or two
	localparam bit  LATE_BANKS = LAYOUT == "banked" && PRIMITIVES != XILINX && STEPS == 2;
	imec_delay #(.WIDTH(WIDTH), .STEPS(IN_LUTS || LATE_BANKS? 0 : STEPS-1)) behind(.clk, .en, .d(word), .q);

	if(LAYOUT == "table") begin : genTable
		if(ROWS != DEPTH)  $error("ROWS=%0d must be DEPTH=%0d in a table.", ROWS, DEPTH);
		uwire [WIDTH-1:0]  entry;
		imec_table #(
			.ROWS(ROWS), .TABLE_WIDTH(TABLE_WIDTH), .TABLE(TABLE), .LSB(TABLE_LSB), .WIDTH(WIDTH), .PRIMITIVES(PRIMITIVES)
		) luts(.addr(late_addr), .q(entry));
		logic [WIDTH-1:0]  Q;
		always_ff @(posedge clk)  if(en)  Q <= entry;
		assign	word = Q;
	end : genTable
	else if(LAYOUT == "banked") begin : genBanked
		localparam int unsigned  ROW_BITS  = $clog2(BANK);
		localparam int unsigned  BANKS     = DEPTH >> ROW_BITS;
		localparam int unsigned  REST      = DEPTH - (BANKS << ROW_BITS);
		localparam int unsigned  REST_BITS = REST > 1? $clog2(REST) : 1;
		if(BANK != 2**ROW_BITS)  $error("BANK=%0d must be a power of two.", BANK);
		if(BITS <= ROW_BITS)  $error("DEPTH=%0d must be above BANK=%0d.", DEPTH, BANK);

		localparam int unsigned  NINES = BANKS*WIDTH/9*9;
		localparam int unsigned  LEFT  = BANKS*WIDTH - NINES;
		uwire [BANKS*WIDTH-1:0]  row;
		if(NINES > 0) begin : genNines
			(* ram_style = RAM_STYLE, rom_style = RAM_STYLE *)
			logic [NINES-1:0]  Mem[BANK];
			initial  $readmemh(INIT_FILE, Mem);
			logic [NINES-1:0]  Row;
			always_ff @(posedge clk)  if(en)  Row <= Mem[addr[ROW_BITS-1:0]];
			if(!LATE_BANKS)  assign  row[NINES-1:0] = Row;
			else begin : genLate
				imec_delay #(.WIDTH(NINES), .STEPS(1)) late(.clk, .en, .d(Row), .q(row[NINES-1:0]));
			end : genLate
		end : genNines
		if(LEFT > 0) begin : genLeft
			(* ram_style = RAM_STYLE, rom_style = RAM_STYLE *)
			logic [LEFT-1:0]  Mem[BANK];
			initial  $readmemh(LEFT_FILE, Mem);
			logic [LEFT-1:0]  Row;
			always_ff @(posedge clk)  if(en)  Row <= Mem[addr[ROW_BITS-1:0]];
			if(!LATE_BANKS)  assign  row[NINES +: LEFT] = Row;
			else begin : genLate
				imec_delay #(.WIDTH(LEFT), .STEPS(1)) late(.clk, .en, .d(Row), .q(row[NINES +: LEFT]));
			end : genLate
		end : genLeft
		logic [BITS-ROW_BITS-1:0]  Bank;
		if(!LATE_BANKS)  always_ff @(posedge clk) begin
			if(en)  Bank <= addr[BITS-1:ROW_BITS];
		end
		else begin : genLateBank
			logic [BITS-ROW_BITS-1:0]  Early;
			always_ff @(posedge clk) begin
				if(en) begin
					Early <= addr[BITS-1:ROW_BITS];
					Bank  <= Early;
				end
			end
		end : genLateBank

		if(REST == 0) begin : genFull
			imec_mux #(.N(BANKS), .WIDTH(WIDTH), .PRIMITIVES(PRIMITIVES)) pick(.sel(Bank), .d(row), .q(word));
		end : genFull
		else begin : genRest
			(* ram_style = RAM_STYLE, rom_style = RAM_STYLE *)
			logic [WIDTH-1:0]  Mem[2**REST_BITS];
			initial  $readmemh(REST_FILE, Mem);
			logic [WIDTH-1:0]  Q;
			if(!LATE_BANKS)  always_ff @(posedge clk) begin
				if(en)  Q <= Mem[addr[REST_BITS-1:0]];
			end
			else begin : genLate
				logic [WIDTH-1:0]  Early;
				always_ff @(posedge clk) begin
					if(en) begin
						Early <= Mem[addr[REST_BITS-1:0]];
						Q     <= Early;
					end
				end
			end : genLate
			imec_mux #(.N(BANKS+1), .WIDTH(WIDTH), .PRIMITIVES(PRIMITIVES)) pick(.sel(Bank), .d({ Q, row }), .q(word));
		end : genRest
	end : genBanked
	else if(LAYOUT == "paired") begin : genPaired
		localparam int unsigned  FAR  = 2**BITS;
		localparam int unsigned  HALF = (WIDTH+1)/2;
		localparam int unsigned  REST_BITS = $clog2(2*DEPTH - FAR);
		if(DEPTH == FAR || WIDTH == 1)  $error("DEPTH=%0d must be below %0d and WIDTH=%0d above 1 in pairs.", DEPTH, FAR, WIDTH);

		(* ram_style = RAM_STYLE, rom_style = RAM_STYLE *)
		logic [HALF-1:0]  Mem[FAR];
		(* ram_style = RAM_STYLE, rom_style = RAM_STYLE *)
		logic [HALF-1:0]  Rest[2**REST_BITS];
		initial begin
			$readmemh(INIT_FILE, Mem);
			$readmemh(REST_FILE, Rest);
		end
		logic [HALF-1:0]  Low, High, Late;
		logic  Beyond;
		always_ff @(posedge clk) begin
			if(en) begin
				Low    <= Mem[addr];
				High   <= Mem[~addr];
				Late   <= Rest[addr[REST_BITS-1:0]];
				Beyond <= addr >= BITS'(FAR - DEPTH);
			end
		end
		assign	word = WIDTH'({ Beyond? Late : High, Low });
	end : genPaired
	else if(LAYOUT == "through") begin : genThrough
		localparam int unsigned  FAR  = 2**BITS;
		localparam int unsigned  HALF = (WIDTH+1)/2;
		localparam int unsigned  REST_BITS = $clog2(2*DEPTH - (FAR-1));
		localparam int unsigned  MOST  = FAR-1 - DEPTH;
		localparam int unsigned  LEAST = DEPTH > 2**REST_BITS? DEPTH - 2**REST_BITS : 1;
		localparam int unsigned  ZEROS = $clog2((MOST ^ (LEAST-1)) + 1) - 1;
		localparam int unsigned  KEPT  = MOST >> ZEROS << ZEROS;	// words whose high half is in the first memory
		localparam int unsigned  ROOM  = $clog2(FAR - KEPT - DEPTH + 1) - 1;
		localparam int unsigned  FREE  = ROOM < ZEROS? ROOM : ZEROS;
		localparam int unsigned  SPARE = FAR - KEPT - 2**FREE;	// the first of 2**FREE rows that are written
		if(DEPTH >= FAR-1 || WIDTH == 1)  $error("DEPTH=%0d must be below %0d and WIDTH=%0d above 1 to write through.", DEPTH, FAR-1, WIDTH);

		(* ram_style = RAM_STYLE, rw_addr_collision = "no", no_rw_check *)	// the ports never meet
		logic [HALF-1:0]  Mem[FAR];
		(* ram_style = RAM_STYLE, rom_style = RAM_STYLE *)
		logic [HALF-1:0]  Rest[2**REST_BITS];
		initial begin
			$readmemh(INIT_FILE, Mem);
			$readmemh(REST_FILE, Rest);
		end
		logic [HALF-1:0]  Low, High, Late;
		uwire  beyond = addr >= BITS'(KEPT);
		logic [BITS-1:0]  row;
		always_comb begin
			row = ~addr;
			if(beyond)  row[BITS-1:FREE] = (BITS-FREE)'(SPARE >> FREE);
		end
		always_ff @(posedge clk) begin
			if(step)  Late <= Rest[ahead[REST_BITS-1:0]];
			if(en) begin
				Low <= Mem[addr];
				if(!beyond)  High <= Mem[row];
				else begin
					Mem[row] <= Late;
					High     <= Late;
				end
			end
		end
		assign	word = WIDTH'({ High, Low });
	end : genThrough
	else if(LAYOUT == "split") begin : genSplit
		localparam int unsigned  FIRST = 2**(BITS-1);
		localparam int unsigned  REST  = DEPTH - FIRST;
		localparam int unsigned  REST_BITS = REST > 1? $clog2(REST) : 1;
		localparam int unsigned  EACH  = FIRST < 2**17? 2**17/FIRST : 1;	// bits
		localparam int unsigned  COUNT = (WIDTH + EACH-1)/EACH;
		localparam int unsigned  NAME_BITS = $bits(SPLIT_FILES) / COUNT;
		if(BITS < 2)  $error("DEPTH=%0d must be above 2 to be split.", DEPTH);
		if($bits(SPLIT_FILES) % (8*COUNT) != 0)
			$error("SPLIT_FILES of %0d bits must be %0d names of one length.", $bits(SPLIT_FILES), COUNT);

		uwire [WIDTH-1:0]  early;
		for(genvar  i = 0; i < COUNT; i++) begin : genDeep
			localparam int unsigned  LSB = i*EACH;
			localparam int unsigned  SIZE = WIDTH - LSB < EACH? WIDTH - LSB : EACH;
			(* ram_style = RAM_STYLE, rom_style = RAM_STYLE *)
			logic [SIZE-1:0]  Mem[FIRST];
			initial  $readmemh($sformatf("%s", SPLIT_FILES[i*NAME_BITS +: NAME_BITS]), Mem);
			logic [SIZE-1:0]  Q;
			always_ff @(posedge clk)  if(en)  Q <= Mem[addr[BITS-2:0]];
			assign	early[LSB +: SIZE] = Q;
		end : genDeep
		(* ram_style = RAM_STYLE, rom_style = RAM_STYLE *)
		logic [WIDTH-1:0]  Rest[2**REST_BITS];
		initial  $readmemh(REST_FILE, Rest);
		logic [WIDTH-1:0]  Late;
		logic  Beyond;
		always_ff @(posedge clk) begin
			if(en) begin
				Late   <= Rest[addr[REST_BITS-1:0]];
				Beyond <= addr[BITS-1];
			end
		end
		assign	word = Beyond? Late : early;
	end : genSplit
	else begin : genPlain
		logic [WIDTH-1:0]  Q;
		// A ROM in LUTs is logic: Yosys has no attribute for it, and Vivado does so by default.
		if(IN_LUTS) begin : genLogic
			logic [WIDTH-1:0]  Mem[DEPTH];
			initial  $readmemh(INIT_FILE, Mem);
			always_ff @(posedge clk)  if(en)  Q <= Mem[late_addr];
		end : genLogic
		else begin : genMemory
			(* ram_style = RAM_STYLE, rom_style = RAM_STYLE *)
			logic [WIDTH-1:0]  Mem[DEPTH];
			initial  $readmemh(INIT_FILE, Mem);
			always_ff @(posedge clk)  if(en)  Q <= Mem[addr];
		end : genMemory
		assign	word = Q;
	end : genPlain

endmodule : imec_rom
