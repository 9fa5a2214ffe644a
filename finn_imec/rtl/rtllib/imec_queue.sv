/****************************************************************************
 * @brief	FIFO in LUT memory.
 *
 * @description
 *	Holds DEPTH words. A word is offered in the cycle after it was taken. A full queue
 *	takes no word even if one leaves, so that no path leads from ordy to irdy.
 *	Last is the number of words minus one: its sign bit means empty.
 *	DEPTH = 0 is wires.
 *
 *	Has no register after the memory.
 ***************************************************************************/
module imec_queue #(
	int unsigned  DEPTH,	// 0 or a power of two, at least 2
	int unsigned  WIDTH
)(
	input	logic  clk,
	input	logic  rst,

	input	logic  ivld,
	output	logic  irdy,
	input	logic [WIDTH-1:0]  idat,

	output	logic  ovld,
	input	logic  ordy,
	output	logic [WIDTH-1:0]  odat
);
	if(DEPTH == 1 || DEPTH != 0 && DEPTH != 2**$clog2(DEPTH))  $error("DEPTH=%0d must be 0 or a power of two, at least 2.", DEPTH);

	if(DEPTH == 0) begin : genWires
		assign	ovld = ivld;
		assign	irdy = ordy;
		assign	odat = idat;
	end : genWires
	else begin : genMemory
		localparam int unsigned  BITS = DEPTH > 1? $clog2(DEPTH) : 1;
		(* ram_style = "distributed" *)
		logic [WIDTH-1:0]  Mem[DEPTH];
		logic [BITS-1:0]  WriteAddr = '0;
		logic [BITS-1:0]  ReadAddr = '0;
		logic signed [BITS:0]  Last = '1;	// -1, 0, ..., DEPTH-1

		uwire  push = ivld && irdy;
		uwire  pop  = ovld && ordy;
		always_ff @(posedge clk)  if(push)  Mem[WriteAddr] <= idat;
		always_ff @(posedge clk) begin
			if(rst) begin
				WriteAddr <= '0;
				ReadAddr  <= '0;
				Last      <= '1;
			end
			else begin
				if(push)  WriteAddr <= WriteAddr + 1'b1;
				if(pop)   ReadAddr  <= ReadAddr  + 1'b1;
				if(push != pop)  Last <= Last + (push? (BITS+1)'(1) : '1);
			end
		end
		assign	irdy = Last[BITS] || Last[BITS-1:0] != '1;
		assign	ovld = !Last[BITS];
		assign	odat = Mem[ReadAddr];
	end : genMemory

endmodule : imec_queue
