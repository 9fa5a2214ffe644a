/****************************************************************************
 * @brief	Address register of a circular buffer of DEPTH words.
 *
 * @description
 *	addr <- (addr + STEP[sel]) mod DEPTH  whenever en is high.
 *	Steps are constants below DEPTH. If DEPTH is no power of two, the register holds
 *	addr + step - DEPTH, and DEPTH is added after a negative sum: two short carry
 *	chains in series. The addend of the first depends only on the sign.
 *
 *	Does not check that sel is below STEPS.
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
		if(DEPTH == 2**BITS) begin : genNatural
			logic [BITS-1:0]  step;
			always_comb begin
				step = '0;
				for(int unsigned  i = 0; i < STEPS; i++)  if(sel == SEL_BITS'(i))  step = BITS'(STEP[i]);
			end
			logic [BITS-1:0]  Addr = '0;
			always_ff @(posedge clk) begin
				if(rst)      Addr <= '0;
				else if(en)  Addr <= Addr + step;
			end
			assign	addr = Addr;
		end : genNatural
		else begin : genWrap
			logic [BITS:0]  back;
			always_comb begin
				back = '0;
				for(int unsigned  i = 0; i < STEPS; i++) begin
					if(sel == SEL_BITS'(i))  back = (BITS+1)'(STEP[i] - DEPTH);
				end
			end
			logic [BITS:0]  Addr = '0;	// if negative, DEPTH is still to be added
			always_ff @(posedge clk) begin
				if(rst)      Addr <= '0;
				else if(en)  Addr <= addr + back;
			end
			assign	addr = Addr[BITS-1:0] + (Addr[BITS]? BITS'(DEPTH) : '0);
		end : genWrap
	end : genRing

endmodule : imec_ring
