/****************************************************************************
 * @brief	Sum of two streams: behavioral model of FINN's ElementwiseAdd_hls.
 *
 * @description
 *	y = lhs + rhs    for each element, PE per word, modulo 2**OUT_BITS
 *
 *	in0 (lhs) -+
 *	           +-> + --||--> out0
 *	in1 (rhs) -+
 *
 *	A word is taken from both inputs together or from neither. Does not saturate.
 ***************************************************************************/
module sim_add #(
	int unsigned  PE,
	int unsigned  LHS_BITS,
	int unsigned  RHS_BITS,
	int unsigned  OUT_BITS,
	bit           LHS_SIGNED,
	bit           RHS_SIGNED,

	localparam int unsigned  LHS_WIDTH = (PE*LHS_BITS + 7)/8 * 8,
	localparam int unsigned  RHS_WIDTH = (PE*RHS_BITS + 7)/8 * 8,
	localparam int unsigned  OUT_WIDTH = (PE*OUT_BITS + 7)/8 * 8
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic [LHS_WIDTH-1:0]  in0_V_TDATA,
	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,

	input	logic [RHS_WIDTH-1:0]  in1_V_TDATA,
	input	logic  in1_V_TVALID,
	output	logic  in1_V_TREADY,

	output	logic [OUT_WIDTH-1:0]  out0_V_TDATA,
	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY
);
	if(PE < 1)  $error("PE=%0d must be at least 1.", PE);

	logic [OUT_WIDTH-1:0]  Out = '0;
	logic  OVld = 0;

	uwire  en = in0_V_TVALID && in1_V_TVALID && (!OVld || out0_V_TREADY);
	assign	in0_V_TREADY = en;
	assign	in1_V_TREADY = en;

	for(genvar  p = 0; p < PE; p++) begin : genPE
		uwire [LHS_BITS-1:0]  lhs = in0_V_TDATA[p*LHS_BITS +: LHS_BITS];
		uwire [RHS_BITS-1:0]  rhs = in1_V_TDATA[p*RHS_BITS +: RHS_BITS];
		uwire signed [OUT_BITS-1:0]  x = OUT_BITS'(signed'({ LHS_SIGNED && lhs[LHS_BITS-1], lhs }));
		uwire signed [OUT_BITS-1:0]  y = OUT_BITS'(signed'({ RHS_SIGNED && rhs[RHS_BITS-1], rhs }));
		always_ff @(posedge ap_clk) begin
			if(en)  Out[p*OUT_BITS +: OUT_BITS] <= x + y;
		end
	end : genPE

	always_ff @(posedge ap_clk) begin
		if(!ap_rst_n)            OVld <= 0;
		else if(en)              OVld <= 1;
		else if(out0_V_TREADY)   OVld <= 0;
	end
	assign	out0_V_TDATA  = Out;
	assign	out0_V_TVALID = OVld;

endmodule : sim_add
