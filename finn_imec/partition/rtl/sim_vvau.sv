/****************************************************************************
 * @brief	Depthwise products: behavioral model of FINN's VVAU_hls.
 *
 * @description
 *	y[f][p] = act( sum_{k,s} x[f][k][s][p] * w[f][k][s][p] ),   f < NF, k < SF, s < SIMD, p < PE
 *
 *	with act( a ) = ACT_VAL + |{ t < STEPS: a >= T[f][p][t] }|, or a if STEPS = 0.
 *
 *	x[0][0], x[0][1], .., x[1][0], .. arrive in this order, one word per cycle, like from a
 *	depthwise ConvolutionInputGenerator; y[f] is available one cycle after x[f][SF-1].
 *
 *	x word:   MSB | s=SIMD-1, p=PE-1 | .. | s=0, p=1 | s=0, p=0 | LSB
 *
 *	WEIGHT_FILE holds w[f][k][s][p], p innermost, THRESHOLD_FILE T[f][p][t], t innermost,
 *	all as 32-bit hexadecimal numbers, one per line.
 *
 *	Does not support bipolar activations. Accumulators have 32 bits, like the files' numbers.
 ***************************************************************************/
module sim_vvau #(
	int unsigned  PE,
	int unsigned  SIMD,
	int unsigned  SF,
	int unsigned  NF,
	bit           SIGNED = 0,
	int unsigned  IN_BITS,
	int unsigned  OUT_BITS,
	int unsigned  STEPS = 0,
	int           ACT_VAL = 0,
	parameter     WEIGHT_FILE = "",
	parameter     THRESHOLD_FILE = "",

	localparam int unsigned  IN_WIDTH  = (SIMD*PE*IN_BITS + 7)/8 * 8,
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
	if(PE < 1 || SIMD < 1 || SF < 1 || NF < 1)
		$error("PE=%0d, SIMD=%0d, SF=%0d, NF=%0d must be at least 1.", PE, SIMD, SF, NF);

	localparam int unsigned  LANES = SIMD*PE;
	int  Weights[NF*SF*LANES];
	int  Thresholds[STEPS? NF*PE*STEPS : 1];
	initial begin
		$readmemh(WEIGHT_FILE, Weights);
		if(STEPS > 0)  $readmemh(THRESHOLD_FILE, Thresholds);
	end

	int unsigned  Fold = 0;
	int unsigned  Count = 0;
	int  Acc[PE];
	logic [OUT_WIDTH-1:0]  Out = '0;
	logic  OVld = 0;

	uwire  last = Count == SF-1;
	uwire  en = in0_V_TVALID && in0_V_TREADY;
	assign	in0_V_TREADY = !last || !OVld || out0_V_TREADY;

	int  acc[PE];
	int  act[PE];
	always_comb begin
		for(int unsigned  p = 0; p < PE; p++) begin
			acc[p] = Count == 0? 0 : Acc[p];
			for(int unsigned  lane = p; lane < LANES; lane += PE) begin
				automatic logic [IN_BITS-1:0]  bits = in0_V_TDATA[lane*IN_BITS +: IN_BITS];
				acc[p] += 32'(signed'({ SIGNED && bits[IN_BITS-1], bits })) * Weights[(Fold*SF + Count)*LANES + lane];
			end
			act[p] = STEPS > 0? ACT_VAL : acc[p];
			for(int unsigned  t = 0; t < STEPS; t++)
				act[p] += 32'(acc[p] >= Thresholds[(Fold*PE + p)*STEPS + t]);
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
				Count <= last? 0 : Count + 1;
				Acc <= acc;
				if(last) begin
					Fold <= Fold == NF-1? 0 : Fold + 1;
					OVld <= 1;
					for(int unsigned  p = 0; p < PE; p++)
						Out[p*OUT_BITS +: OUT_BITS] <= OUT_BITS'(act[p]);
				end
			end
		end
	end
	assign	out0_V_TDATA  = Out;
	assign	out0_V_TVALID = OVld;

endmodule : sim_vvau
