/****************************************************************************
 * @brief	Multi-threshold activation of PE accumulators, by binary search.
 *
 * @description
 *	y = BIAS + #{ k : acc >= T[fold][pe][k] }         (FINN's MultiThreshold)
 *
 *	for thresholds in ascending order, one comparison per cycle and PE:
 *
 *	  count = 0
 *	  for b = BITS-1 .. 0:  if acc >= T[fold][pe][count + 2^b - 1]  count += 2^b
 *
 *	Each PE has its own memory, with the read register of a block RAM, and its own
 *	file: word fold*2^BITS + c holds threshold c-1. Thresholds from STEPS on must never
 *	be reached; word 0 of a fold is not read. INIT_FILES are the file names, all of
 *	the same length:  { .., name of PE 1, name of PE 0 }.
 *
 *	  cycle    0          1          2          BITS
 *	  taken    acc        .          .          next acc
 *	  read     1st T      2nd        3rd        1st
 *	  compared .          1st        2nd  ...   last: y offered
 *
 *	A word is offered BITS cycles after it was taken, and held until it is taken in
 *	turn: one word per BITS cycles.
 *
 *	Does not sort or check thresholds.
 ***************************************************************************/
module imec_threshold_search #(
	int unsigned  PE,
	int unsigned  NF,
	int unsigned  STEPS,	// thresholds per channel
	int unsigned  ACC_BITS,
	int unsigned  O_BITS,
	int           BIAS = 0,
	parameter     INIT_FILES,
	parameter     RAM_STYLE = "auto",	// auto, distributed, block, ultra

	localparam int unsigned  FOLD_BITS = NF > 1? $clog2(NF) : 1
)(
	input	logic  clk,
	input	logic  rst,

	input	logic  ivld,
	output	logic  irdy,
	input	logic [FOLD_BITS-1:0]  fold,
	input	logic signed [PE-1:0][ACC_BITS-1:0]  acc,

	output	logic  ovld,
	input	logic  ordy,
	output	logic [PE-1:0][O_BITS-1:0]  y
);
	if(STEPS < 1)  $error("STEPS=%0d must be at least 1.", STEPS);

	localparam int unsigned  BITS  = $clog2(STEPS+1);
	localparam int unsigned  DEPTH = NF << BITS;
	localparam int unsigned  ADDR_BITS = $clog2(DEPTH);
	localparam int unsigned  NAME_BITS = $bits(INIT_FILES) / PE;
	if($bits(INIT_FILES) % (8*PE) != 0)  $error("INIT_FILES of %0d bits must be PE=%0d names of one length.", $bits(INIT_FILES), PE);

	//-----------------------------------------------------------------------
	// Bit decided in this cycle, one-hot; zero while idle
	logic [BITS-1:0]  Bit = '0;
	uwire  first = ivld && irdy;	// the first threshold is read
	uwire  move  = irdy || !Bit[0];
	always_ff @(posedge clk) begin
		if(rst)        Bit <= '0;
		else if(move)  Bit <= BITS'({ first, Bit } >> 1);
	end
	assign	irdy = Bit == '0 || (ovld && ordy);
	assign	ovld = Bit[0];

	logic [FOLD_BITS-1:0]  Fold;
	logic signed [PE-1:0][ACC_BITS-1:0]  Acc;
	always_ff @(posedge clk) begin
		if(first) begin
			Fold <= fold;
			Acc  <= acc;
		end
	end
	uwire [FOLD_BITS-1:0]  read_fold = first? fold : Fold;

	//-----------------------------------------------------------------------
	// Search
	localparam  STYLE = string'(RAM_STYLE) == "distributed"? "auto" : RAM_STYLE;	// a ROM in LUTs is logic, see imec_rom
	for(genvar  p = 0; p < PE; p++) begin : genPE
		logic [BITS-1:0]  Try;	// the count so far with the bit being decided set
		logic signed [ACC_BITS-1:0]  Threshold;
		uwire [BITS-1:0]  count = signed'(Acc[p]) >= Threshold? Try : Try & ~Bit;
		uwire [BITS-1:0]  next  = first? BITS'(1) << (BITS-1) : count | (Bit >> 1);
		always_ff @(posedge clk)  if(move)  Try <= next;

		(* ram_style = STYLE, rom_style = STYLE *)
		logic [ACC_BITS-1:0]  Mem[DEPTH];
		initial  $readmemh($sformatf("%s", INIT_FILES[p*NAME_BITS +: NAME_BITS]), Mem);
		always_ff @(posedge clk)  if(move)  Threshold <= Mem[ADDR_BITS'({ read_fold, next })];

		assign	y[p] = O_BITS'(signed'({ 1'b0, count }) + BIAS);
	end : genPE

endmodule : imec_threshold_search
