/****************************************************************************
 * @brief	Address register of a circular buffer of DEPTH words.
 *
 * @description
 *	addr <- (addr + STEP[sel]) mod DEPTH  whenever en is high.
 *	STEPS are constants below DEPTH. Without a power of two, both addr + step
 *	and addr + step - DEPTH are formed side by side and the sign of the second
 *	picks: two short carry chains, no comparator behind an adder.
 *
 *	Does not check that sel is one of the STEPS.
 ***************************************************************************/
module imec_ring #(
	int unsigned  DEPTH,
	int unsigned  STEPS,	// number of different steps
	bit [STEPS-1:0][31:0]  STEP,

	localparam int unsigned  BITS = DEPTH > 1? $clog2(DEPTH) : 1,
	localparam int unsigned  SEL_BITS = STEPS > 1? $clog2(STEPS) : 1
)(
	input	logic  clk,
	input	logic  rst,

	input	logic  en,
	input	logic [SEL_BITS-1:0]  sel,
	output	logic [BITS-1:0]  addr
);
	if(DEPTH < 1)  $error("DEPTH=%0d must be at least 1.", DEPTH);
	for(genvar  i = 0; i < STEPS; i++) begin : genCheck
		if(STEP[i] >= DEPTH)  $error("STEP[%0d]=%0d must be below DEPTH=%0d.", i, STEP[i], DEPTH);
	end : genCheck

	if(DEPTH == 1) begin : genConst
		assign	addr = '0;
	end : genConst
	else begin : genRing
		logic [BITS-1:0]  Addr = '0;
		uwire [BITS-1:0]  addr_nxt;
		if(DEPTH == 2**BITS) begin : genNatural
			logic [BITS-1:0]  step;
			always_comb begin
				step = '0;
				for(int unsigned  i = 0; i < STEPS; i++)  if(sel == SEL_BITS'(i))  step = BITS'(STEP[i]);
			end
			assign	addr_nxt = Addr + step;
		end : genNatural
		else begin : genWrap
			logic [BITS  :0]  fore;	// step
			logic [BITS  :0]  back;	// step - DEPTH
			always_comb begin
				fore = '0;
				back = '0;
				for(int unsigned  i = 0; i < STEPS; i++) begin
					if(sel == SEL_BITS'(i)) begin
						fore = (BITS+1)'(STEP[i]);
						back = (BITS+1)'(STEP[i] - DEPTH);
					end
				end
			end
			uwire [BITS-1:0]  sum  = Addr + fore[BITS-1:0];
			uwire [BITS  :0]  wrap = Addr + back;
			assign	addr_nxt = wrap[BITS]? sum : wrap[BITS-1:0];
		end : genWrap
		always_ff @(posedge clk) begin
			if(rst)      Addr <= '0;
			else if(en)  Addr <= addr_nxt;
		end
		assign	addr = Addr;
	end : genRing

endmodule : imec_ring
