/****************************************************************************
 * @brief	The K highest of LABELS values: behavioral model of FINN's LabelSelect_hls.
 *
 * @description
 *	Takes a vector of LABELS values, PE per word, and gives the indices of the K
 *	highest, highest first. Of equal values the lower index comes first.
 *
 *	x -> insert PE values -> Best[K] -- after LABELS/PE words --> Out[K] -> y
 *
 *	Best is sorted. Takes one word per cycle; the next vector may arrive while
 *	indices are sent.
 ***************************************************************************/
module sim_label_select #(
	int unsigned  LABELS,
	int unsigned  PE,
	int unsigned  K,
	bit           SIGNED,
	int unsigned  IN_BITS,
	int unsigned  OUT_BITS,

	localparam int unsigned  IN_WIDTH  = (PE*IN_BITS + 7)/8 * 8,
	localparam int unsigned  OUT_WIDTH = (OUT_BITS   + 7)/8 * 8
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
	if(PE < 1 || LABELS % PE != 0)  $error("PE=%0d must divide LABELS=%0d.", PE, LABELS);
	if(K < 1 || K > LABELS)  $error("K=%0d must be in 1 .. LABELS=%0d.", K, LABELS);

	typedef struct packed {
		logic  vld;
		logic signed [IN_BITS:0]  value;
		logic [OUT_BITS-1:0]  label;
	} entry_t;

	int unsigned  First = 0;	// label of the next word's first value
	entry_t  Best[K];
	logic [OUT_BITS-1:0]  Out[K];
	int unsigned  Left = 0;	// words in Out

	uwire  last = First == LABELS-PE;
	uwire  en = in0_V_TVALID && in0_V_TREADY;
	assign	in0_V_TREADY = !last || Left == 0 || (Left == 1 && out0_V_TREADY);

	entry_t  best[K];
	always_comb begin
		best = Best;
		if(First == 0)  best = '{ default: '0 };
		for(int unsigned  p = 0; p < PE; p++) begin
			automatic logic [IN_BITS-1:0]  bits = in0_V_TDATA[p*IN_BITS +: IN_BITS];
			automatic entry_t  x = '{
				vld: 1, value: signed'({ SIGNED && bits[IN_BITS-1], bits }), label: OUT_BITS'(First + p)
			};
			automatic logic  found = 0;	// all lower entries shift down
			for(int unsigned  k = 0; k < K; k++) begin
				automatic entry_t  here = best[k];
				found = found || !here.vld || here.value < x.value;
				if(found) begin
					best[k] = x;
					x = here;
				end
			end
		end
	end

	always_ff @(posedge ap_clk) begin
		if(!ap_rst_n) begin
			First <= 0;
			Left <= 0;
		end
		else begin
			if(out0_V_TVALID && out0_V_TREADY) begin
				Left <= Left - 1;
				for(int unsigned  k = 1; k < K; k++)  Out[k-1] <= Out[k];
			end
			if(en) begin
				First <= last? 0 : First + PE;
				Best <= best;
				if(last) begin
					Left <= K;
					for(int unsigned  k = 0; k < K; k++)  Out[k] <= best[k].label;
				end
			end
		end
	end
	assign	out0_V_TDATA  = OUT_WIDTH'(Out[0]);
	assign	out0_V_TVALID = Left != 0;

endmodule : sim_label_select
