/****************************************************************************
 * @brief	Pooling: behavioral model of FINN's Pool_hls and GlobalAccPool_hls.
 *
 * @description
 *	y[f] = max_i x[i][f]   or   (sum_i x[i][f]) >> SHIFT,   0 <= i < COUNT, 0 <= f < FOLDS
 *
 *	             FOLDS words
 *	         +---------------+
 *	         v               |
 *	x[i][f] -+-> max or + -> Acc[f]
 *	         |
 *	         +-> at i = COUNT-1 -> y[f]
 *
 *	x[0][0], x[0][1], .., x[1][0], .. arrive in this order, one word of PE channels per
 *	cycle; y[f] is available one cycle after x[COUNT-1][f].
 *	Pool_hls takes the windows of a depthwise ConvolutionInputGenerator: FOLDS = 1.
 *	GlobalAccPool_hls takes whole images: FOLDS = C/PE, COUNT = H*W.
 *
 *	Does not divide: an average is a sum and a shift, like in FINN's QuantAvgPool.
 ***************************************************************************/
module sim_pool #(
	int unsigned  PE,
	int unsigned  COUNT,
	int unsigned  FOLDS = 1,
	bit           MAX = 1,	// 0: sum
	bit           SIGNED = 0,
	int unsigned  IN_BITS,
	int unsigned  OUT_BITS,
	int unsigned  SHIFT = 0,

	localparam int unsigned  IN_WIDTH  = (PE*IN_BITS  + 7)/8 * 8,
	localparam int unsigned  OUT_WIDTH = (PE*OUT_BITS + 7)/8 * 8
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic [IN_WIDTH-1:0]  in0_V_TDATA,
	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,

	output	logic [OUT_WIDTH-1:0]  out0_V_TDATA,
	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY
);
	if(PE < 1 || COUNT < 1 || FOLDS < 1)
		$error("PE=%0d, COUNT=%0d, FOLDS=%0d must be at least 1.", PE, COUNT, FOLDS);

	localparam int unsigned  ACC_BITS = IN_BITS + $clog2(COUNT);
	typedef logic signed [ACC_BITS:0]  acc_t;

	int unsigned  Fold = 0;
	int unsigned  Count = 0;
	acc_t  Acc[FOLDS][PE];
	logic [OUT_WIDTH-1:0]  Out = '0;
	logic  OVld = 0;

	uwire  last = Count == COUNT-1;
	uwire  en = in0_V_TVALID && in0_V_TREADY;
	assign	in0_V_TREADY = !last || !OVld || out0_V_TREADY;

	acc_t  acc[PE];
	always_comb begin
		for(int unsigned  p = 0; p < PE; p++) begin
			automatic logic [IN_BITS-1:0]  bits = in0_V_TDATA[p*IN_BITS +: IN_BITS];
			automatic acc_t  x = acc_t'(signed'({ SIGNED && bits[IN_BITS-1], bits }));
			if(Count == 0)  acc[p] = x;
			else if(MAX)    acc[p] = x > Acc[Fold][p]? x : Acc[Fold][p];
			else            acc[p] = x + Acc[Fold][p];
		end
	end

	always_ff @(posedge ap_clk) begin
		if(!ap_rst_n) begin
			Fold <= 0;
			Count <= 0;
			OVld <= 0;
		end
		else begin
			if(out0_V_TREADY)  OVld <= 0;
			if(en) begin
				Fold <= Fold == FOLDS-1? 0 : Fold + 1;
				if(Fold == FOLDS-1)  Count <= last? 0 : Count + 1;
				Acc[Fold] <= acc;
				if(last) begin
					OVld <= 1;
					for(int unsigned  p = 0; p < PE; p++)
						Out[p*OUT_BITS +: OUT_BITS] <= OUT_BITS'(acc[p] >>> SHIFT);
				end
			end
		end
	end
	assign	out0_V_TDATA  = Out;
	assign	out0_V_TVALID = OVld;

endmodule : sim_pool
